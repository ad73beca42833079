"""Efficient attention: segments, scale, and its two implementations."""

from __future__ import annotations

import pytest
import torch

from sparsesr.lab.nn.layers.efficient_attention import EfficientAttention, segment_length

DIM, HEADS = 48, 4


def forms(segments: int = 4, seed: int = 0) -> tuple[EfficientAttention, EfficientAttention]:
    """The lean and the materialised implementation with equal weights, large enough for sharp softmaxes."""
    torch.manual_seed(seed)
    lean = EfficientAttention(DIM, HEADS, segments).eval()
    with torch.no_grad():
        lean.qkv.weight.mul_(4)
    materialised = EfficientAttention(DIM, HEADS, segments, materialised=True).eval()
    materialised.load_state_dict(lean.state_dict())
    return lean, materialised


def lengths(count: int) -> list[int]:
    """Sizes of the segments, measured by which tokens change together."""
    lean, _ = forms()
    found, begin = [], 0
    tokens = torch.randn(1, count, DIM)
    with torch.no_grad():
        base = lean(tokens)
        while begin < count:
            changed = tokens.clone()
            changed[0, begin] += 1
            touched = (lean(changed) - base).abs().amax(2)[0] > 1e-7
            assert touched.nonzero()[0] == begin
            found.append(int(touched.sum()))
            begin += found[-1]
    return found


@pytest.mark.parametrize(
    ("count", "expected"),
    [(16, [4] * 4), (17, [4, 4, 4, 4, 1]), (19, [4, 4, 4, 4, 3]), (10, [2] * 5), (11, [2] * 5 + [1])],
)
def test_leftover_tokens_form_a_further_segment(count, expected):
    assert lengths(count) == expected


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_tokens_than_segments_attend_to_themselves(count):
    assert lengths(count) == [1] * count


def test_number_of_segments():
    for count in range(1, 300):
        number = -(-count // segment_length(count, 4))
        assert (
            number in (4, 5) if count >= 12 else number == (count if count < 8 else -(-count // (count // 4)))
        )


def test_scores_are_scaled_by_the_width_before_reduction():
    assert EfficientAttention(288, 8, 4).scale == pytest.approx(1 / 6)
    lean, _ = forms(segments=1)
    tokens = torch.randn(1, 9, DIM)
    with torch.no_grad():
        q, k, v = lean.qkv(lean.reduce(tokens)).reshape(9, 3, HEADS, DIM // 2 // HEADS).permute(1, 2, 0, 3)
        expected = torch.softmax(q @ k.mT * (DIM / HEADS) ** -0.5, -1) @ v
        expected = lean.proj(expected.transpose(0, 1).reshape(9, -1))
        torch.testing.assert_close(lean(tokens)[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 4, 10, 11, 64, 99])
@pytest.mark.parametrize("segments", [1, 4])
def test_both_implementations_agree(count, segments):
    lean, materialised = forms(segments)
    tokens = torch.randn(2, count, DIM)
    with torch.no_grad():
        torch.testing.assert_close(lean(tokens), materialised(tokens), atol=1e-5, rtol=1e-5)


def test_gradients_of_both_implementations_agree():
    lean, materialised = forms()
    tokens = torch.randn(2, 33, DIM)
    for form in (lean, materialised):
        form(tokens).square().mean().backward()
    for name, parameter in lean.named_parameters():
        other = materialised.get_parameter(name).grad
        torch.testing.assert_close(parameter.grad, other, atol=1e-5, rtol=1e-4)


def test_one_segment_is_the_original_attention():
    _, full = forms(segments=1)
    tokens = torch.randn(1, 20, DIM)
    changed = tokens.clone()
    changed[0, 0] += 1
    with torch.no_grad():
        assert ((full(changed) - full(tokens)).abs().amax(2) > 1e-7).all()


def test_impossible_widths_are_refused():
    with pytest.raises(ValueError, match="heads"):
        EfficientAttention(30, 8, 4)
