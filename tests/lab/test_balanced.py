"""Balanced masks: the paper's example, exact counts, ties, and the layout of blocks."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sparsesr.errors import UsageError  # noqa: E402
from sparsesr.lab.sparsity.balance import Balance, parse_balance  # noqa: E402
from sparsesr.lab.sparsity.balanced import balanced_mask, sparsity_at  # noqa: E402
from sparsesr.lab.sparsity.patterns import PATTERNS, SQUARE  # noqa: E402
from sparsesr.modelfile.balanced import pack, unpack  # noqa: E402

BEFORE = [0.8, -0.1, 0.2, 1.5, 1.0, 0.3, -0.4, -1.4, 0.7, 2.0, 0.9, -0.5, 1.2, -1.3, 2.1, 0.2]
AFTER = [0.8, 0, 0, 1.5, 1.0, 0, 0, -1.4, 0, 2.0, 0.9, 0, 0, -1.3, 2.1, 0]


def blocks_of(mask_OIHW, block: int) -> list[np.ndarray]:
    """Every block as an array of booleans, found by plain loops."""
    outputs, inputs, height, width = mask_OIHW.shape
    return [
        mask_OIHW[o, first : first + block, y, x].numpy()
        for o in range(outputs)
        for y in range(height)
        for x in range(width)
        for first in range(0, inputs, block)
    ]


def test_the_papers_example():
    row = torch.tensor(BEFORE).reshape(1, 16, 1, 1)
    assert (row * balanced_mask(row, Balance(2, 4))).flatten().tolist() == torch.tensor(AFTER).tolist()


@pytest.mark.parametrize("keep", [1, 3, 8, 16])
@pytest.mark.parametrize("kind", ["random", "constant", "zero", "denormal"])
def test_exactly_k_are_kept_in_every_block(kind, keep):
    weight = {
        "random": torch.randn(5, 32, 3, 3, generator=torch.Generator().manual_seed(1)),
        "constant": torch.full((5, 32, 3, 3), -0.5),
        "zero": torch.zeros(5, 32, 3, 3),
        "denormal": torch.full((5, 32, 3, 3), 1e-42),
    }[kind]
    mask = balanced_mask(weight, Balance(keep, 16))
    assert [block.sum() for block in blocks_of(mask, 16)] == [keep] * (5 * 2 * 9)


def test_the_largest_are_kept_and_equal_ones_by_index():
    weight = torch.randint(-3, 4, (4, 32, 3, 3), generator=torch.Generator().manual_seed(2)).float()
    mask = balanced_mask(weight, Balance(5, 16))
    for values, kept in zip(blocks_of(weight, 16), blocks_of(mask, 16), strict=True):
        ranked = sorted(range(16), key=lambda index: (-abs(values[index]), index))
        assert sorted(ranked[:5]) == list(np.flatnonzero(kept))


def test_memory_layout_does_not_matter():
    weight = torch.randn(16, 32, 3, 3, generator=torch.Generator().manual_seed(3))
    last = weight.contiguous(memory_format=torch.channels_last)
    assert torch.equal(balanced_mask(weight, Balance()), balanced_mask(last, Balance()))


@pytest.mark.parametrize(("channels", "rest"), [(40, 2), (20, 1), (3, 1), (17, 1)])
def test_a_shorter_last_block_keeps_its_share(channels, rest):
    weight = torch.randn(3, channels, 3, 3, generator=torch.Generator().manual_seed(4))
    counts = [block.sum() for block in blocks_of(balanced_mask(weight, Balance(4, 16)), 16)]
    whole = [4] * (channels // 16)
    assert counts == [*whole, rest] * (3 * 9)


def test_a_pruned_weight_survives_packing():
    weight = torch.randn(6, 32, 3, 3, generator=torch.Generator().manual_seed(5))
    pruned = (weight * balanced_mask(weight, Balance(4, 16))).numpy()
    values, positions = pack(pruned, 16, 4)
    assert values.shape == (6, 2 * 9, 4)
    np.testing.assert_array_equal(unpack(values, positions, 16, 3), pruned)


def test_nan_has_no_place_in_the_order():
    with pytest.raises(ValueError, match="NaN"):
        balanced_mask(torch.full((1, 16, 1, 1), float("nan")), Balance())


@pytest.mark.parametrize("text", ["0/16", "17/16", "4/0", "4", "4/16/2", "-1/16", "a/b", ""])
def test_impossible_patterns_are_refused(text):
    with pytest.raises(UsageError):
        parse_balance(text)


def test_the_schedule_rises_fast_then_slowly():
    assert [sparsity_at(x, 0.75) for x in (0, 0.5, 1, 2)] == [0, 0.75 * 0.875, 0.75, 0.75]
    assert Balance(4, 16).at_sparsity(0.0) == Balance(16, 16)
    assert Balance(4, 16).at_sparsity(0.9) == Balance(4, 16)


@pytest.mark.parametrize("name", PATTERNS)
def test_all_patterns_have_the_same_density(name):
    weight = torch.randn(32, 64, 3, 3, generator=torch.Generator().manual_seed(6))
    assert PATTERNS[name](weight, Balance(4, 16)).float().mean() == 0.25


def test_block_pattern_keeps_the_squares_of_largest_energy():
    weight = torch.randn(16, 24, 1, 1, generator=torch.Generator().manual_seed(7))
    mask = PATTERNS["block"](weight, Balance(8, 16))[..., 0, 0]
    corners = [(o, i) for o in range(0, 16, SQUARE) for i in range(0, 24, SQUARE)]
    energy = {at: float(weight[at[0] : at[0] + 8, at[1] : at[1] + 8].square().sum()) for at in corners}
    for at in corners:
        is_kept = mask[at[0] : at[0] + 8, at[1] : at[1] + 8]
        assert is_kept.all() == is_kept.any() == (energy[at] in sorted(energy.values())[3:])
