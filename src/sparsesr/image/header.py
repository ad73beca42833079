"""``stated_pixels``: the size of an image that its header states, for estimates before anything is decoded."""

from __future__ import annotations

from pathlib import Path

import pyvips

from sparsesr.errors import SparsesrError
from sparsesr.image.loaders import LOADERS
from sparsesr.image.sniff import recognise
from sparsesr.image.source import open_source
from sparsesr.limits import ImageLimits


def stated_pixels(path: Path) -> int | None:
    """Number of pixels of an image file; None if libvips cannot tell, for whatever reason."""
    try:
        with open_source(path, ImageLimits()) as source:
            load = getattr(pyvips.Image, LOADERS.get(recognise(source), ""), None)
            if load is None:
                return None
            image: pyvips.Image = load(source.for_vips(), access="sequential")
            return image.width * image.height
    except (SparsesrError, pyvips.Error):
        return None
