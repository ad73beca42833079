"""Loaders of libvips by format; other formats have readers of their own."""

from __future__ import annotations

LOADERS = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "webp": "webpload_source",
    "tiff": "tiffload_source",
    "gif": "gifload_source",
    "heif": "heifload_source",
    "jxl": "jxlload_source",
}
