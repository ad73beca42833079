// Powers of two by a polynomial, for all kernels that need an exponential function.
#pragma once

namespace sparsesr {

constexpr float kLog2E = 1.4426950408889634f;

// ln(2)^n / n!, highest power first: 2^x for x in -0.5..0.5, to an error of 1.2e-7.
constexpr int kExp2Terms = 7;
constexpr float kExp2Series[kExp2Terms] = {1.5403530e-4f, 1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f,
                                           0.24022651f,   0.69314718f,   1.0f};

}  // namespace sparsesr
