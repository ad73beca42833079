"""Every case of the table gives the right image, or one line that names the cause."""

from __future__ import annotations

import numpy as np
import pytest

from image.reported_cases import CASES, Case, Decoded, Refused
from sparsesr.errors import InputError
from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("as_file", [False, True], ids=["bytes", "file"])
def test_case(case: Case, as_file, tmp_path):
    data, name = case.data, case.file_name
    source = data
    if as_file:
        source = tmp_path / name.strip("<>")
        source.write_bytes(data)
    if isinstance(case.expected, Refused):
        with pytest.raises(InputError) as caught:
            decode(source, name=name)
        assert case.expected.words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert name.strip("<>") in str(caught.value)
        return
    check(decode(source, name=name), case.expected)


def check(decoded, expected: Decoded) -> None:
    pixels = expected.pixels
    assert decoded.layout == ("grey" if pixels.ndim == 2 else "rgb")
    assert decoded.bits == pixels.dtype.itemsize * 8
    got = to_eight_bit(decoded.rgb) if decoded.bits == 8 else decoded.rgb
    wanted = pixels[..., None].repeat(3, 2) if pixels.ndim == 2 else pixels
    assert got.shape == wanted.shape
    assert np.abs(got.astype(int) - wanted).max() <= expected.tolerance
    assert expected.note in "; ".join(decoded.notes)
    assert bool(decoded.notes) == bool(expected.note)
    assert (decoded.alpha is None) == (expected.alpha is None)
    if expected.alpha is not None:
        np.testing.assert_array_equal(to_eight_bit(decoded.alpha), expected.alpha)


def test_every_case_has_a_name_and_a_source():
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.source.count("#") == 1 and "/" in case.source for case in CASES)
