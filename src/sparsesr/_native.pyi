"""Types of the native kernels.

*Windows* are C-contiguous arrays of shape (rows, width + 2, stride): float32 or, where the type is `Map` and the
operation supports it, uint16 holding bf16 or uint8 holding quantised values. They hold rows [row0, row0 + rows) of an
image, channels last; pixel (r, x) is at ``[r - row0, x + 1, :]``. Columns 0 and width + 1 are a zero border, and
channels beyond the map's own are zero. A 3x3 convolution reads one row above and one below the rows it computes, so at
the image edge the window must include a row of zeros (row -1 or row `height`).
*Image windows* have three channels and a stride of 4. *Pixel lists* are int32 arrays of
``r * (width + 2) + x + 1``. Rows r0 and r1 are always image rows, [r0, r1).

Every function releases the GIL while it computes. Results depend neither on `threads` nor on how rows or pixels
are split into calls. Invalid values, shapes and dtypes raise ValueError; non-arrays and read-only outputs raise
TypeError.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
I32: TypeAlias = NDArray[np.int32]
U64: TypeAlias = NDArray[np.uint64]
Image: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
Map: TypeAlias = NDArray[np.float32] | NDArray[np.uint16] | NDArray[np.uint8]
"""A window; uint16 holds bf16, the upper halves of fp32 values, uint8 quantised values."""
Steps: TypeAlias = tuple[float, int]
"""Scale and zero of a quantised window, whose values stand for (value - zero) * scale. Its border must hold the zero,
its stride is a multiple of 16, and channels beyond the map's own may hold anything."""
Placed: TypeAlias = tuple[Map, int]
"""A window and its first image row."""
PlacedCopy: TypeAlias = tuple[NDArray[np.uint8], int, Steps]
"""A quantised window, its first image row, and its steps."""
Outside: TypeAlias = "tuple[PixelMask, F32]"
"""A mask, and what an operation reads at its inactive pixels: a value per channel."""

def cpu_features() -> list[str]:
    """Instruction sets usable here, ascending; the environment variable SPARSESR_CPU lowers the highest."""

def processor_features() -> list[str]:
    """Processor features that the instruction set in force may use, such as fma or avx512_vnni."""

def amx_refusal() -> str | None:
    """The reason why AMX tiles may not be used here, or None if they may."""

def set_cpu(name: str | None) -> str | None:
    """Force an instruction set of `cpu_features()` in this thread and return the previously forced one.

    None restores the best set. Packed weights keep the set they were packed for.
    """

def kernel_table() -> dict[str, str]:
    """Map each operation to the name of its kernel for the instruction set in force."""

def has_fast_bf16() -> bool:
    """True if the instruction set in force multiplies bf16 in hardware."""

def has_fast_int8() -> bool:
    """True if the instruction set in force multiplies quantised maps in hardware."""

def thread_waits() -> tuple[int, float, float]:
    """Return what this thread has waited for others since it started.

    Returns:
        Calls that ran on several threads, which wait for each other at their end; seconds in such calls; and seconds in
        which one of their threads, added up, had nothing to do.
    """

def multiply_add_peak(dtype: str = "f32", threads: int = 1, ms: int = 100) -> float:
    """Measure peak GFLOP/s (two per multiply-add) in registers with the set in force, for about `ms` ms."""

class PackedConv:
    """Weights of a 1x1 or 3x3 convolution, packed for the instruction set in force at construction.

    The input is the channel-wise concatenation of ``len(splits)`` windows, which is never materialised.
    """

    def __init__(
        self,
        weight: F32,
        bias: F32 | None,
        splits: Sequence[int],
        dtype: str = "f32",
        steps: Sequence[Steps] = (),
    ) -> None:
        """Take weight [c_out, c_in, k, k] and bias [c_out]; splits sum to c_in.

        `dtype` of the inputs: f32, bf16 or u8. For u8, with `steps` for each of the splits, weights become whole
        numbers -127..127 times a scale per output; their products are added exactly.
        """
    @property
    def c_in(self) -> int: ...
    @property
    def c_out(self) -> int: ...
    @property
    def kernel(self) -> int: ...
    @property
    def splits(self) -> list[int]: ...
    @property
    def isa(self) -> str: ...
    @property
    def nbytes(self) -> int: ...

def conv_rows(
    p: PackedConv,
    inputs: Sequence[Placed],
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    activation: str = "none",
    slope: float = 0.0,
    slopes: F32 | None = None,
    residual: Placed | None = None,
    accumulate: Placed | None = None,
    out_steps: Steps | None = None,
    copy: PlacedCopy | None = None,
    pixels: PixelList | None = None,
    reached: tuple[PixelMask, int] | None = None,
    threads: int = 1,
) -> None:
    """Compute out = activation(convolution + bias + accumulate) + residual at every pixel of the rows.

    The activation is none, relu, or leaky_relu with either `slope` or `slopes` [c_out], one per output. `out` may
    alias `residual` or `accumulate`, but not an input. Channels of `out` beyond c_out become zero.

    A quantised `out`, with `out_steps`, needs quantised inputs, and nothing can be added to it; it saturates and rounds
    half up. `copy` gets a quantised copy of an `out` in fp32 with the same stride. With `pixels`, nothing
    else is computed; with `reached`, nothing but pixels within that distance of an active one of the mask.
    """

class UpsampledMaskWeights:
    """Weights of a transposed 3x3 convolution, as of `PackedDeconv`, to the two logits of a mask."""

    def __init__(self, weight: F32, bias: F32 | None) -> None:
        """Take weight [c_in, 2, 3, 3] and bias [2]."""
    @property
    def nbytes(self) -> int: ...

class PixelList:
    """A set of pixels, for operations that run at these only."""

    def __init__(self, words: U64, width: int) -> None:
        """Take one bit per pixel, in rows of whole 64-bit words, the first pixel in the lowest bit."""

def spread_pixels(words: U64, width: int, steps: int) -> U64:
    """Return the pixels of a set, as for `PixelList`, and all within a square of `steps` pixels around each."""

class PixelMask:
    """A spatial mask as pixel lists in raster order that grow row by row, up to height x width pixels."""

    def __init__(self, height: int, width: int) -> None: ...
    @property
    def rows(self) -> int:
        """Number of rows added so far."""
    @property
    def n_active(self) -> int:
        """Number of active pixels in these rows."""
    @property
    def border_rows(self) -> int:
        """Number of rows whose border is known: the border of the last row depends on the next one."""
    def clear(self) -> None:
        """Forget all rows."""
    def grow(self, logits: Map, row0: int, r1: int, bias: float, threads: int = 1) -> None:
        """Add rows up to `r1`. A pixel is active if logits[1] + bias > logits[0]."""
    def grow_upsampled(
        self,
        weights: UpsampledMaskWeights,
        x: Map,
        x_row0: int,
        x_height: int,
        r1: int,
        bias: float,
        threads: int = 1,
    ) -> None:
        """Add rows up to `r1`, with logits from a map of `x_height` rows, of half the size; reads no rows beyond it."""
    def fill(self, words: U64, threads: int = 1) -> None:
        """Replace all rows by given active pixels, as for `PixelList`."""
    def words(self) -> U64:
        """Return a copy of the active pixels of the rows added so far."""
    def image(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the top left pixels: True where active."""
    def active(self, r0: int, r1: int) -> I32:
        """Return a copy of the active pixels of rows [r0, r1)."""
    def inactive(self, r0: int, r1: int) -> I32:
        """Return a copy of the inactive pixels of rows [r0, r1)."""
    def border(self, r0: int, r1: int) -> I32:
        """Return the inactive pixels that touch an active one, diagonally too, in rows whose border is known."""

def masked_conv_rows(
    full: PackedConv,
    inputs: Sequence[Placed],
    outside: PackedConv | None,
    outside_inputs: Sequence[Placed],
    mask: PixelMask,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    activation: str,
    slope: float,
    slopes: F32 | None,
    fill: str,
    constants: F32,
    always: Sequence[int] | None = None,
    residual: Placed | None = None,
    out_steps: Steps | None = None,
    copy: PlacedCopy | None = None,
    copied: str = "nowhere",
    threads: int = 1,
) -> None:
    """Compute rows [r0, r1): `full` where the mask is active, as `conv_rows` would, `outside` elsewhere.

    The outputs of `outside` are the first ones of `full` and use the same `slopes`.
    At inactive pixels the last ``len(constants)`` channels, including stride padding, become constants. `fill` is
    everywhere, border (inactive pixels next to active ones, possibly more) or nowhere. These channels must lie
    beyond those of `outside`, which clears channels beyond its own up to the next multiple of 16.

    Channels of each input from `always` on may be skipped at inactive pixels around an active one, where they are
    zero.

    A `residual` is added at active pixels and may be `out` itself. Inactive pixels then stay unchanged, so `outside`
    must be None and `fill` nowhere. Only then may there be a `copy` as in `conv_rows`, of active pixels and of the
    inactive ones in `copied`: everywhere, border (possibly more) or nowhere.
    """

class FoldedConvs:
    """Two 3x3 convolutions of an image, one after the other, as one of 5x5."""

    def __init__(self, first: F32, first_bias: F32, second: F32, second_bias: F32) -> None:
        """Take first [hidden, 3, 3, 3] and second [outputs, hidden, 3, 3]."""

def folded_convs_rows(
    convs: FoldedConvs,
    image: Map,
    image_row0: int,
    height: int,
    mask: PixelMask,
    reach: int,
    wanted: U64 | None,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute the convolutions at pixels of rows [r0, r1) that lie more than `reach` away from active ones.

    With `wanted`, as for `PixelList`, only those of them that are in that set. Other pixels of `out` get any values.
    """

def move_rows(
    map: Map,
    shift: int,
    rows: int,
    row0: int = 0,
    reached: tuple[PixelMask, int] | None = None,
    threads: int = 1,
) -> None:
    """Move rows [shift, shift + rows) of a window to its start.

    With `reached`, a mask and a reach, the map has values only at pixels within the reach of active ones, and others
    may be left behind; row `shift` is then row `row0` of the image.
    """

def count_reached(mask: PixelMask, reach: int) -> int:
    """Return the number of pixels within `reach` of an active one, in the rows added so far."""

def avg_pool2x2_rows(
    x: Map, x_row0: int, out: Map, out_row0: int, r0: int, r1: int, threads: int = 1
) -> None:
    """Compute rows [r0, r1) of the half-size map; both windows have the same stride.

    An odd last row or column of `x` is ignored.
    """

def depthwise_conv3x3_rows(
    x: Map,
    x_row0: int,
    weights: F32,
    bias: F32,
    activation: str,
    slopes: F32,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Convolve each channel by itself and apply the activation, with zero borders.

    `weights` are [9, stride], taps row by row, `bias` and `slopes` [stride]; all are zero beyond the map's channels.
    `x` and `out` have one type.
    """

def nearest_rows(
    x: Map, x_row0: int, scale: int, out: Map, out_row0: int, r0: int, r1: int, threads: int = 1
) -> None:
    """Compute rows [r0, r1) of a map whose pixels are blocks of scale x scale (1 to 8); one type and stride."""

def sigmoid_rows(
    x: Map, x_row0: int, channels: int, out: Map, out_row0: int, r0: int, r1: int, threads: int = 1
) -> None:
    """Compute 1 / (1 + exp(-x)) of all `channels`; `out` may be `x`."""

class PackedDeconv:
    """Weights of a transposed 3x3 convolution with stride 2, padding 1 and output padding 1."""

    def __init__(self, weight: F32, bias: F32 | None, dtype: str = "f32") -> None:
        """Take weight [c_in, c_out, 3, 3] and bias [c_out]; `dtype` of the input: f32 or bf16."""
    @property
    def c_in(self) -> int: ...
    @property
    def c_out(self) -> int: ...
    @property
    def isa(self) -> str: ...
    @property
    def nbytes(self) -> int: ...

def conv_transpose2x_rows(
    p: PackedDeconv,
    x: Map,
    x_row0: int,
    x_height: int,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute rows [r0, r1) of the double-size map from one of `x_height` rows; reads no rows beyond it."""

def row_sums(
    x: Map,
    row0: int,
    r0: int,
    r1: int,
    sums: NDArray[np.float64],
    outside: Outside | None = None,
    threads: int = 1,
) -> None:
    """Write sums[r, c] = sum of channel c over row r, left to right, for c < sums.shape[1].

    `x` is not read at inactive pixels of the mask of `outside`.
    """

def channel_attention(mean: F32, w1: F32, b1: F32, w2: F32, b2: F32) -> F32:
    """Return sigmoid(w2 relu(w1 mean + b1) + b2), with w1 [M, C] and w2 [C, M]."""

def scale_add_rows(
    x: Map,
    x_row0: int,
    scale: F32,
    residual: Placed | None,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    copy: PlacedCopy | None = None,
    outside: Outside | None = None,
    threads: int = 1,
) -> None:
    """Compute out = x * scale[channel] + residual; `out` may alias `x` or `residual`.

    `x` is not read at inactive pixels of the mask of `outside`.

    `copy` gets a quantised copy of an `out` in fp32 with the same stride.
    """

def quantise_rows(
    x: Map, x_row0: int, out: Map, out_row0: int, r0: int, r1: int, out_steps: Steps, threads: int = 1
) -> None:
    """Quantise a map of the same stride: saturates and rounds half up; NaN becomes the lowest value."""

def bilinear_rows(
    x: Map,
    x_row0: int,
    x_height: int,
    out: Map,
    out_row0: int,
    out_height: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute rows [r0, r1) of a map of `x_height` rows resized to `out_height` rows and the width of `out`.

    Same as torch.nn.functional.interpolate(mode="bilinear", align_corners=True); reads no rows beyond the map.
    """

def unfold3x3_rows(
    x: Map, x_row0: int, channels: int, out: Map, out_row0: int, r0: int, r1: int, threads: int = 1
) -> None:
    """Write each pixel's 3x3 neighbourhood: channel c, row y and column x go to channel 9 c + 3 y + x."""

def fold3x3_rows(
    x: Map, x_row0: int, channels: int, out: Map, out_row0: int, r0: int, r1: int, threads: int = 1
) -> None:
    """Apply the adjoint of `unfold3x3_rows`: sum each pixel over all neighbourhoods; `channels` of `out`."""

def layer_norm_rows(
    x: Map,
    x_row0: int,
    weight: F32,
    bias: F32,
    epsilon: float,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Normalise the channels of each pixel: (x - mean) / sqrt(variance + epsilon) * weight + bias.

    `out` may alias `x`.
    """

def segment_attention_rows(
    qkv: Map,
    qkv_row0: int,
    height: int,
    heads: int,
    head_dim: int,
    segment_tokens: int,
    scale: float,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute rows [r0, r1) of multi-head attention; pixels in raster order are tokens.

    `qkv` holds the whole map, `height` rows: queries, keys and values of `heads` heads with `head_dim` (1 to 32)
    channels each. A token attends to its segment: tokens [n * segment_tokens, (n + 1) * segment_tokens). Scores are
    multiplied by `scale`. Extra memory: the keys and values of one head of one segment.
    """

def pixel_shuffle_rows(
    x: Map,
    x_row0: int,
    scale: int,
    channels: int,
    skip: Placed | None,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute rows [r0, r1) of a map of `channels` from one of channels * scale**2, plus `skip`.

    Channels are ordered as in torch.nn.PixelShuffle. `out` may alias `skip`.
    """

def add_rows(
    inputs: Sequence[Placed],
    factors: F32,
    activation: str,
    slopes: F32,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute out = activation(sum of inputs[i] * factors[i], from the first to the last).

    The activation is none, relu, or leaky_relu with `slopes`, one per channel. All windows have the same
    stride; `out` may alias any input.
    """

def bicubic_rows(
    x: Map,
    x_row0: int,
    x_height: int,
    scale: int,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    threads: int = 1,
) -> None:
    """Compute rows [r0, r1) of an image of `x_height` rows upscaled `scale` times (1 to 8).

    Same as torch.nn.functional.interpolate(mode="bicubic", align_corners=False): a = -0.75, edges repeated.
    """

def image_rows(
    image: Image,
    offset: F32,
    out: Map,
    out_row0: int,
    r0: int,
    r1: int,
    height: int,
    width: int,
    threads: int = 1,
) -> None:
    """Fill rows of an image window of height x width with image values in 0..1 minus offset [3].

    Integer images are divided by the largest value of their type. Rows and columns beyond the image repeat its edge.
    """

def image_ending_rows(
    x: Map,
    x_row0: int,
    scale: int,
    image: Placed | None,
    image_height: int,
    out: Image,
    r0: int,
    r1: int,
    pixels: PixelList | None = None,
    threads: int = 1,
) -> None:
    """Compute rows of `out` as `store_rows` of `pixel_shuffle_rows` of `x`, plus `bicubic_rows` of `image` if given.

    With `pixels` of `x`, only what becomes of them is written.
    """

def store_rows(x: Map, x_row0: int, out: Image, r0: int, r1: int, threads: int = 1) -> None:
    """Write rows of an image window into an image array, cropped to its width.

    For integer images, values are clipped to 0..1 (NaN becomes 0), scaled and rounded half up.
    """

def can_train_chain(channels: int, dtype: str) -> bool:
    """True if this machine has kernels that train chains of this width: in bf16, or in f32 by Winograd's method."""

class ChainMaps:
    """Feature maps kept from a forward pass for its gradients; usable by several backward passes."""

class ResidualChain:
    """A chain of residual blocks ``x + m b(m relu(a(x)))`` with the weights of one training step, in bf16.

    Feature maps are C-contiguous uint16 arrays holding bf16, of shape (images, height, width, channels).
    """

    def __init__(self, weights: Sequence[F32], biases: Sequence[F32], threads: int = 1) -> None:
        """Take weights (outputs, 3, 3, inputs), both `channels`, and biases: a and b of each block in turn."""

    def forward(
        self,
        x: NDArray[np.uint16],
        y: NDArray[np.uint16],
        threads: int = 1,
        mask: NDArray[np.uint8] | None = None,
    ) -> ChainMaps:
        """Write the chain's output to `y`; `mask` (images, height, width) is 0 at inactive pixels."""

    def backward(
        self,
        maps: ChainMaps,
        y_gradient: NDArray[np.uint16],
        x_gradient: NDArray[np.uint16],
        weights: Sequence[F32],
        biases: Sequence[F32],
        threads: int = 1,
    ) -> None:
        """Write the gradients of the input, weights and biases, computed from the gradient of the output."""

class ReluChain:
    """A chain of convolutions ``f = m relu(w(f before))``, in bf16; the maps of all layers are results.

    Feature maps are as those of `ResidualChain`.
    """

    def __init__(self, weights: Sequence[F32], threads: int = 1) -> None:
        """Take the weights of each layer, (outputs, 3, 3, inputs), both `channels`."""

    def forward(
        self,
        x: NDArray[np.uint16],
        y: NDArray[np.uint16],
        threads: int = 1,
        mask: NDArray[np.uint8] | None = None,
    ) -> ChainMaps:
        """Write the maps of all layers side by side to `y`, (images, height, width, layers * channels)."""

    def backward(
        self,
        maps: ChainMaps,
        y_gradient: NDArray[np.uint16],
        x_gradient: NDArray[np.uint16],
        weights: Sequence[F32],
        threads: int = 1,
    ) -> None:
        """Write the gradients of the input and the weights, computed from the gradient of `y`."""

class WinogradMaps:
    """Feature maps kept from a forward pass for its gradients; usable by several backward passes."""

class WinogradResidualChain:
    """The same as `ResidualChain`, in fp32: at the tiles of 4x4 pixels that hold an active one.

    Feature maps are C-contiguous, of shape (images, height, width, channels).
    """

    def __init__(self, weights: Sequence[F32], biases: Sequence[F32], threads: int = 1) -> None:
        """Take weights (outputs, 3, 3, inputs), both `channels`, and biases: a and b of each block in turn."""

    def forward(
        self,
        x: F32,
        y: F32,
        threads: int = 1,
        mask: NDArray[np.uint8] | None = None,
    ) -> WinogradMaps:
        """Write the chain's output to `y`; `mask` (images, height, width) is 0 at inactive pixels."""

    def backward(
        self,
        maps: WinogradMaps,
        y_gradient: F32,
        x_gradient: F32,
        weights: Sequence[F32],
        biases: Sequence[F32],
        threads: int = 1,
    ) -> None:
        """Write the gradients of the input, weights and biases, computed from the gradient of the output."""

class WinogradReluChain:
    """The same as `ReluChain`, in fp32: at the tiles of 4x4 pixels that hold an active one.

    Feature maps are as those of `WinogradResidualChain`.
    """

    def __init__(self, weights: Sequence[F32], threads: int = 1) -> None:
        """Take the weights of each layer, (outputs, 3, 3, inputs), both `channels`."""

    def forward(
        self,
        x: F32,
        y: F32,
        threads: int = 1,
        mask: NDArray[np.uint8] | None = None,
    ) -> WinogradMaps:
        """Write the maps of all layers side by side to `y`, (images, height, width, layers * channels)."""

    def backward(
        self,
        maps: WinogradMaps,
        y_gradient: F32,
        x_gradient: F32,
        weights: Sequence[F32],
        threads: int = 1,
    ) -> None:
        """Write the gradients of the input and the weights, computed from the gradient of `y`."""
