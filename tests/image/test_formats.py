from __future__ import annotations

import pytest

from sparsesr.errors import UsageError
from sparsesr.image.formats import FORMATS, format_of, is_available, require_format
from sparsesr.image.savers import SAVERS


def test_every_format_has_a_saver_and_extensions_of_its_own():
    assert set(FORMATS) == set(SAVERS)
    extensions = [each for form in FORMATS.values() for each in form.extensions]
    assert len(set(extensions)) == len(extensions)
    assert all(each == each.lower() and each.startswith(".") for each in extensions)


@pytest.mark.parametrize(
    ("extension", "kind"),
    [
        (".JPG", "jpeg"),
        (".jpe", "jpeg"),
        (".png", "png"),
        (".tif", "tiff"),
        (".webp", "webp"),
        (".avif", "avif"),
    ],
)
def test_extensions(extension, kind):
    assert format_of(extension).kind == require_format(extension).kind == kind


@pytest.mark.parametrize("extension", [".gif", ".heic", ".pdf", "jpg", "", "."])
def test_others_cannot_be_written(extension):
    assert format_of(extension) is None
    with pytest.raises(UsageError, match=r"cannot write the format .*; use \.jpg, \.png"):
        require_format(extension)


def test_an_operation_that_libvips_lacks_makes_a_format_unavailable():
    from dataclasses import replace

    assert is_available(FORMATS["png"]) and is_available(FORMATS["avif"])
    assert not is_available(replace(FORMATS["jxl"], operation="nosuchsave"))
