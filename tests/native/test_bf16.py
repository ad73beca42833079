"""Maps in bf16: every operation that accepts them, against float64 on the rounded values."""

from __future__ import annotations

import numpy as np
import pytest
from bf16_maps import (
    CANARY_BITS,
    STEP,
    assert_border_untouched,
    assert_rounded,
    empty,
    inside,
    rounded,
    to_bf16,
)
from native_cases import F32, conv_at, conv_reference, make_window, masks, random_map

from sparsesr import _native as native


def cases(rng: np.random.Generator, c_in: int, c_out: int, k: int) -> tuple[F32, F32]:
    weight = (rng.standard_normal((c_out, c_in, k, k)) / np.sqrt(c_in * k * k)).astype(np.float32)
    return rounded(weight), rounded(random_map(rng, 4, 27, c_in))


@pytest.mark.parametrize("out", ["f32", "bf16"])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("c_in", "c_out"), [(1, 16), (3, 64), (16, 7), (27, 32), (33, 48), (64, 64), (64, 80)]
)
def test_conv__sums_products_of_rounded_values(
    isa: str, rng: np.random.Generator, c_in: int, c_out: int, k: int, out: str
) -> None:
    weight, x = cases(rng, c_in, c_out, k)
    bias = rng.standard_normal(c_out).astype(np.float32)
    packed = native.PackedConv(weight, bias, [c_in], "bf16")
    window = to_bf16(make_window(x))
    result = empty(4, 27, c_out, out)
    native.conv_rows(packed, [(window, -1)], result, 0, 0, 4, threads=2)
    assert_rounded(inside(result, c_out), *conv_reference(x, weight, bias), out)
    assert (inside(result)[:, :, c_out:] == 0).all()
    assert_border_untouched(result)
    for mask in masks(rng, 4, 27):
        listed = empty(4, 27, c_out, out)
        conv_at(packed, [(window, -1)], listed, mask)(2)
        assert np.array_equal(listed[:, 1:-1][mask], result[:, 1:-1][mask])
        untouched = empty(4, 27, c_out, out)
        assert np.array_equal(listed[:, 1:-1][~mask], untouched[:, 1:-1][~mask])


@pytest.mark.parametrize("c_out", [12, 64])
def test_conv__from_fp32_rounds_the_fp32_result(isa: str, rng: np.random.Generator, c_out: int) -> None:
    weight, x = cases(rng, 3, c_out, 3)
    packed = native.PackedConv(weight, None, [3])
    exact, short = empty(4, 27, c_out, "f32"), empty(4, 27, c_out, "bf16")
    for result in (exact, short):
        native.conv_rows(packed, [(make_window(x, 4), -1)], result, 0, 0, 4, "relu")
    tolerance = 0.0 if isa != "avx2" else 2e-6  # avx2 has only the scalar kernel, whose sums are not fused
    np.testing.assert_allclose(
        inside(short), rounded(inside(exact)), rtol=STEP if tolerance else 0, atol=tolerance
    )


@pytest.mark.parametrize("out", ["f32", "bf16"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_conv__splits_accumulate_activation_residual(
    isa: str, rng: np.random.Generator, activation: str, out: str
) -> None:
    splits, c_out = [5, 16, 3], 24
    maps = [rounded(random_map(rng, 4, 9, c)) for c in splits]
    weight = rounded(rng.standard_normal((c_out, sum(splits), 3, 3)).astype(np.float32) * 0.1)
    addend, residual = (rounded(random_map(rng, 4, 9, c_out)) for _ in range(2))
    as_out = to_bf16 if out == "bf16" else np.asarray
    result = empty(4, 9, c_out, out)
    native.conv_rows(
        native.PackedConv(weight, None, splits, "bf16"),
        [(to_bf16(make_window(m)), -1) for m in maps],
        result, 0, 0, 4, activation, 0.25, None,
        (as_out(make_window(residual)), -1), (as_out(make_window(addend)), -1),
    )  # fmt: skip
    total, magnitude = conv_reference(np.concatenate(maps, axis=2), weight, None)
    total, magnitude = total + addend, magnitude + np.abs(addend)
    slope = 0.25 if activation == "leaky_relu" else 0.0
    expected = np.where(total < 0, total * slope, total) + residual
    assert_rounded(inside(result, c_out), expected, magnitude + np.abs(residual), out)


def test_conv__propagates_nan_and_infinity(isa: str) -> None:
    x = np.ones((1, 3, 2), np.float32)
    x[0, 0, 0], x[0, 2, 1] = np.nan, np.inf
    packed = native.PackedConv(np.ones((16, 2, 1, 1), np.float32), None, [2], "bf16")
    result = empty(1, 3, 16, "bf16")
    native.conv_rows(packed, [(to_bf16(make_window(x)) | (np.isnan(make_window(x)) * 64).astype(np.uint16), -1)],
                     result, 0, 0, 1)  # fmt: skip
    found = inside(result)[0]
    assert np.isnan(found[0]).all() and (found[1] == 2).all() and np.isposinf(found[2]).all()


@pytest.mark.parametrize("out", ["f32", "bf16"])
@pytest.mark.parametrize("c_in", [16, 5])
def test_conv_transpose__agrees_with_fp32_of_rounded_values(
    isa: str, rng: np.random.Generator, c_in: int, out: str
) -> None:
    x = rounded(rng.standard_normal((3, 5, c_in)).astype(np.float32))
    weight = rounded(rng.standard_normal((c_in, 2, 3, 3)).astype(np.float32))
    bias = rng.standard_normal(2).astype(np.float32)
    exact, result = empty(6, 10, 2, "f32"), empty(6, 10, 2, out)
    native.conv_transpose2x_rows(native.PackedDeconv(weight, bias), make_window(x), -1, 3, exact, 0, 0, 6)
    packed = native.PackedDeconv(weight, bias, "bf16")
    native.conv_transpose2x_rows(packed, to_bf16(make_window(x)), -1, 3, result, 0, 0, 6, threads=2)
    np.testing.assert_allclose(inside(result), inside(exact), rtol=STEP if out == "bf16" else 0, atol=1e-4)


def test_avg_pool__rounds_the_mean(isa: str, rng: np.random.Generator) -> None:
    x = rounded(rng.standard_normal((4, 34, 20)).astype(np.float32))
    result = empty(2, 17, 20, "bf16")
    native.avg_pool2x2_rows(to_bf16(make_window(x)), -1, result, 0, 0, 2, threads=2)
    expected = x.reshape(2, 2, 17, 2, 20).astype(np.float64).mean(axis=(1, 3))
    np.testing.assert_allclose(inside(result, 20), expected, rtol=STEP, atol=1e-6)


def test_row_sums__are_exact(isa: str, rng: np.random.Generator) -> None:
    x = rounded(rng.standard_normal((5, 37, 20)).astype(np.float32))
    sums = np.zeros((5, 20))
    native.row_sums(to_bf16(make_window(x)), -1, 1, 4, sums, threads=2)
    np.testing.assert_allclose(sums[1:4], x[1:4].astype(np.float64).sum(axis=1), rtol=1e-12, atol=1e-12)
    assert (sums[[0, 4]] == 0).all()


@pytest.mark.parametrize("shared", ["none", "x", "residual"])
def test_scale_add__may_share_its_output(isa: str, rng: np.random.Generator, shared: str) -> None:
    x, residual = (rounded(rng.standard_normal((3, 9, 20)).astype(np.float32)) for _ in range(2))
    scale = rng.standard_normal(20).astype(np.float32)
    windows = {"x": to_bf16(make_window(x)), "residual": to_bf16(make_window(residual))}
    out = windows.get(shared, np.full((5, 11, 32), CANARY_BITS, np.uint16))
    native.scale_add_rows(windows["x"], -1, scale, (windows["residual"], -1), out, -1, 0, 3, threads=2)
    np.testing.assert_allclose(inside(out[1:-1], 20), x * scale + residual, rtol=STEP, atol=1e-6)


def test_mismatched_types_are_refused(rng: np.random.Generator) -> None:
    weight = np.zeros((16, 16, 1, 1), np.float32)
    short, exact = np.zeros((3, 6, 16), np.uint16), np.zeros((3, 6, 16), np.float32)
    with pytest.raises(ValueError, match="packed for"):
        native.conv_rows(native.PackedConv(weight, None, [16], "bf16"), [(exact, -1)], short, -1, 0, 1)
    with pytest.raises(ValueError, match="same type"):
        native.conv_rows(
            native.PackedConv(weight, None, [16]), [(exact, -1)], short, -1, 0, 1, residual=(exact.copy(), -1)
        )
    with pytest.raises(ValueError, match="choose f32, bf16 or u8"):
        native.PackedConv(weight, None, [16], "f16")
    with pytest.raises(ValueError, match="float32, uint16"):
        native.conv_rows(
            native.PackedConv(weight, None, [16]), [(exact.astype(np.float64), -1)], exact, -1, 0, 1
        )
