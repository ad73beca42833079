"""ACNet against the published code: sizes, names, and typical mistakes."""

from __future__ import annotations

import pytest
import torch

from lab.acnet_cases import layer_number, multiply_adds, small_acnet
from lab.smsr_cases import random_image
from sparsesr.lab.nn.acnet import ACNet, ACNetConfig
from sparsesr.lab.nn.registry import create

ASYMMETRIC, REFINEMENT = 985_920, 222_912


@pytest.mark.parametrize(
    ("name", "up", "total", "tensors"),
    [
        ("acnet_x2", 147_712, 1_356_544, 64),
        ("acnet_x3", 332_352, 1_541_184, 64),
        ("acnet_x4", 295_424, 1_504_256, 66),
        ("acnet_multi", 775_488, 1_984_320, 70),
        ("acnet_noise_x2", 147_712, 1_356_544, 64),
    ],
)
def test_parameters(name, up, total, tensors):
    module = create(name)
    sizes = {key: value.numel() for key, value in module.state_dict().items()}
    parts = {"shifter": 24, "upsample": up}
    for part, expected in parts.items():
        assert sum(size for key, size in sizes.items() if part in key) == expected
    assert sum(size for key, size in sizes.items() if layer_number(key, "conv") <= 17) == ASYMMETRIC
    assert (
        sum(size for key, size in sizes.items() if layer_number(key, "conv") >= 18 and "conv" in key)
        == REFINEMENT
    )
    assert module.parameter_counts() == {"network": total, "mean_shift": 24}
    assert len(sizes) == tensors


def test_names_of_the_published_code():
    found = {key: tuple(value.shape) for key, value in create("acnet_multi").state_dict().items()}
    expected = {f"{side}_mean.shifter.{part}" for side in ("sub", "add") for part in ("weight", "bias")}
    for layer in range(1, 18):
        channels = 3 if layer == 1 else 64
        for branch, kernel in enumerate(((1, 3), (3, 1), (3, 3)), start=1):
            name = f"conv{layer}_{branch}.0.weight"
            assert found[name] == (64, channels, *kernel)
            expected.add(name)
    expected |= {f"conv{name}.0.weight" for name in ("18_1", "18_2", "19_1", "19_2", "20", "21", "22")}
    for up in ("up2.body.0", "up3.body.0", "up4.body.0", "up4.body.2"):
        expected |= {f"upsample.{up}.weight", f"upsample.{up}.bias"}
    assert found.keys() == expected
    assert found["upsample.up3.body.0.weight"] == (576, 64, 3, 3)
    assert set(create("acnet_x4").state_dict()) - found.keys() == {
        f"upsample.up.body.{index}.{part}" for index in (0, 2) for part in ("weight", "bias")
    }


# For 1280x720 output; x3 does not divide 1280, so 320x320, with the same number of pixels, replaces it.
COSTS = [
    (2, (360, 640), 227.2, 67.9, 500.5),
    (3, (320, 320), 101.0, 67.9, 374.3),
    (4, (180, 320), 56.8, 84.9, 347.2),
]


@pytest.mark.parametrize(("scale", "size", "asymmetric", "up", "total"), COSTS)
def test_multiply_adds(scale, size, asymmetric, up, total):
    """Counted on a small image; all layers scale with its number of pixels."""
    counts = multiply_adds(create(f"acnet_x{scale}"), 6, 5)
    per_pixel = {"asymmetric": 0, "up": 0, "refinement": 0}
    for name, count in counts.items():
        kind = (
            "up" if name == "upsample" else "asymmetric" if layer_number(name, "conv") <= 17 else "refinement"
        )
        per_pixel[kind] += count
    pixels = size[0] * size[1] / 30
    assert per_pixel["asymmetric"] * pixels / 1e9 == pytest.approx(asymmetric, abs=0.05)
    assert per_pixel["up"] * pixels / 1e9 == pytest.approx(up, abs=0.05)
    assert per_pixel["refinement"] * pixels / 1e9 == pytest.approx(205.4, abs=0.05)
    assert sum(per_pixel.values()) * pixels / 1e9 == pytest.approx(total, abs=0.05)


def test_the_sum_takes_the_last_layer_before_its_relu():
    """If every layer is negative, the sum is the last layer alone, because ReLU makes the others zero."""
    module = small_acnet(layers=3)
    with torch.no_grad():
        for parameter in [
            p for name, p in module.named_parameters() if name.startswith(("conv1_", "conv2_"))
        ]:
            parameter.copy_(-parameter.abs())
        # The first layer is zero, so the second and third are too: give the third its own values.
        first, total = module.trunk(torch.ones(1, 3, 5, 6))
        assert (first == 0).all() and (total == 0).all()
        module.conv1_3[0].weight.abs_()
        module.conv1_1[0].weight.zero_()
        module.conv1_2[0].weight.zero_()
        module.conv3_3[0].weight.copy_(-module.conv3_3[0].weight.abs())
        first, total = module.trunk(torch.ones(1, 3, 5, 6))
        assert (module.asymmetric(2, first) < 0).all()
        assert (first > 0).all() and torch.equal(total, first)


def test_the_sum_is_that_of_all_layers():
    module, x = small_acnet(layers=4), torch.rand(1, 3, 7, 6) - 0.4
    before = [module.asymmetric(1, x)]
    for layer in (2, 3, 4):
        before.append(module.asymmetric(layer, torch.relu(before[-1])))
    with torch.no_grad():
        first, total = module.trunk(x)
        assert torch.equal(first, torch.relu(before[0]))
        expected = sum(torch.relu(value) for value in before[:3]) + before[3]
        assert (before[3] < 0).any() and torch.allclose(total, expected, atol=1e-6)
        assert not torch.allclose(total, sum(before), atol=1e-3)


def test_one_upsampler_upscales_both_maps():
    module, calls = small_acnet(4), []
    module.upsample.up.body[0].register_forward_hook(lambda *given: calls.append(given))
    with torch.no_grad():
        module(random_image(5, 6))
    assert len(calls) == 2


def test_nothing_is_activated_inside_the_upsampler():
    body = create("acnet_x4").upsample.up.body
    assert [type(layer).__name__ for layer in body] == ["Conv2d", "PixelShuffle"] * 2


def test_the_trunk_of_the_multi_scale_network_does_not_depend_on_the_scale():
    module, x = small_acnet(2, 3, 4), random_image(5, 7)
    trunks = []
    with torch.no_grad():
        for scale in module.scales:
            module.active_scale = scale
            trunks.append(module.trunk(x)[1])
            assert module(x).shape == (1, 3, 5 * scale, 7 * scale)
    assert torch.equal(trunks[0], trunks[1]) and torch.equal(trunks[0], trunks[2])


def test_there_is_no_skip_around_the_network():
    """With a last convolution of zeros, only the mean colour remains."""
    module = small_acnet()
    with torch.no_grad():
        module.conv22[0].weight.zero_()
        result = module(random_image())
    assert torch.allclose(result, torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1).expand_as(result))


@pytest.mark.parametrize("scales", [(), (5,), (2, 2), (1, 2)])
def test_unsupported_scales_are_refused(scales):
    with pytest.raises(ValueError, match="scales must be some of 2, 3 and 4"):
        ACNet(ACNetConfig(scales))
