"""Limits of the whole package. All are far above legitimate use; they stop accidents and hostile files."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE


@dataclass(frozen=True)
class ImageLimits:
    """Limits on images, checked against the header before any pixel is decoded."""

    max_pixels: int = 200_000_000
    max_side_px: int = 65_500
    max_file_bytes: int = 1 * GIBIBYTE
    max_frames: int = 10_000
    max_metadata_bytes: int = 16 * MEBIBYTE
    max_metadata_items: int = 1_000
    max_inflated_text_bytes: int = 64 * MEBIBYTE
    """For all compressed text of a PNG together; workflows of image generators take some megabytes."""


@dataclass(frozen=True)
class ModelLimits:
    """Limits on model files, checked before any tensor is read."""

    max_file_bytes: int = 512 * MEBIBYTE
    max_header_bytes: int = MEBIBYTE // 2  # twenty times SMSR's; a hostile header takes about 50 ms to parse
    max_nodes: int = 2048
    max_channels: int = 4096
    max_scale: int = 8
    max_size_multiple: int = 64


DEFAULT_MEMORY_BYTES = 2 * GIBIBYTE
