"""Limits of the whole package. All are far above legitimate use; they stop accidents and hostile files."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE


@dataclass(frozen=True)
class ImageLimits:
    """Limits on images, checked against the header before any pixel is decoded."""

    max_pixels: int = 200_000_000
    max_result_pixels: int | None = None
    """Of the upscaled image; None: whatever fits the memory."""
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


@dataclass(frozen=True)
class ServeLimits:
    """Limits of ``sparsesr serve``, for one request and for all of them together."""

    max_body_bytes: int = 64 * MEBIBYTE
    """Counted while a body arrives, whatever its header says."""
    max_pixels: int = 50_000_000
    """Of an input, checked before it is decoded."""
    max_result_pixels: int = 200_000_000
    max_preview_pixels: int = 1_000_000
    """Of the part of an input that is upscaled as a preview."""
    max_stored_bytes: int = 4 * GIBIBYTE
    """Uploads, results and their tiles, in unnamed temporary files."""
    max_images: int = 100
    max_jobs: int = 100
    """Waiting, running and finished."""
    max_queued: int = 32
    """Jobs that wait; more are refused until one has ended."""
    max_models: int = 6
    """Models kept in memory."""
    max_header_bytes: int = 16 * 1024
    max_connections: int = 256
    header_timeout_s: float = 10.0
    body_pause_s: float = 15.0
    """Longest pause while a body arrives."""
    body_timeout_s: float = 300.0
    send_pause_s: float = 120.0
    """Longest pause of a client that takes an answer; systems hold megabytes for slow ones before a pause is seen."""
    job_timeout_s: float = 3600.0
    """From the start of the work."""
    abandoned_after_s: float = 120.0
    """A job that nobody has asked about for so long is cancelled."""
    expires_after_s: float = 1800.0
    """Images and results that nobody has asked for in this time are removed."""
    stop_timeout_s: float = 10.0
    """Connections still open after this time do not delay the end."""


DEFAULT_MEMORY_BYTES = 2 * GIBIBYTE
