"""``decode``: a file or bytes to a ``DecodedImage``; the header is checked before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.errors import InputError, LimitError, check_cancelled
from sparsesr.image import colour, exif, vips
from sparsesr.image.bmp import embedded_profile, print_resolution, read_bmp
from sparsesr.image.colour import Table
from sparsesr.image.decode_errors import damaged, no_loader, vips_error
from sparsesr.image.decoded_image import DecodedImage, Metadata, Transfer, note_of
from sparsesr.image.gif_blocks import with_empty_canvas
from sparsesr.image.heic import decoded_heic, needs_package
from sparsesr.image.heif_boxes import stated_by_heif
from sparsesr.image.integer_samples import to_integers
from sparsesr.image.jpeg_damage import jpeg_warnings
from sparsesr.image.jpeg_quality import jpeg_quality
from sparsesr.image.kept_metadata import gathered, without_false_properties
from sparsesr.image.known_colours import ordinary_image, with_known_colours
from sparsesr.image.loaders import LOADERS
from sparsesr.image.orientation import upright
from sparsesr.image.png_bytes import chunk
from sparsesr.image.png_cgbi import as_plain_png, from_premultiplied_bgra, is_cgbi
from sparsesr.image.png_chunks import PngFacts, read_png_facts
from sparsesr.image.png_colours import stated_by_png, still_true
from sparsesr.image.pnm import read_pnm
from sparsesr.image.raw_photo import refuse_raw
from sparsesr.image.sniff import check_gif_size, check_size, recognise
from sparsesr.image.source import OpenSource, open_source
from sparsesr.image.stated_colours import StatedColours
from sparsesr.image.tiff_channels import lacks_extra_samples_tag, stated_by_tiff, with_known_channels
from sparsesr.image.tiff_lab import is_lab8, read_lab8
from sparsesr.image.tiff_pages import ChosenPage, chosen_page, tiff_pages
from sparsesr.image.tiff_ycbcr import with_rgb
from sparsesr.image.vips_threads import claim
from sparsesr.image.webp_chunks import is_lossless_webp
from sparsesr.image.webp_quality import webp_quality
from sparsesr.image.working_image import working_image
from sparsesr.limits import ImageLimits

_DEFAULT_LIMITS = ImageLimits()


@dataclass
class _DecodeState:
    """State of a decoding in progress."""

    cancelled: Callable[[], bool] | None
    metadata: Metadata = field(default_factory=Metadata)
    orientation: int = 1
    stated: StatedColours | None = None
    """Colours that the file states without a profile."""
    code_table: Table | None = None
    """Applied to the colours, it makes them gamma-coded."""
    transfer: Transfer = "gamma"
    tiff: ChosenPage | None = None
    """The page of a TIFF file to decode."""
    notes: list[str] = field(default_factory=list[str])
    has_several_scans: bool = False
    is_lossless: bool = False
    jpeg_quality: int | None = None
    fail_on: str = "warning"
    """Severity at which libvips fails. Anything laxer accepts a truncated TIFF as complete."""


def decode(
    source: Path | bytes,
    limits: ImageLimits = _DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    name: str | None = None,
) -> DecodedImage:
    """Decode an image upright, with the metadata that is kept when it is upscaled.

    Sample values and profile of ordinary RGB and grey are kept; ``DecodedImage.notes`` lists what was changed.
    ``name`` names ``source`` in messages if it is bytes. Raises LimitError if the header exceeds ``limits``,
    InputError if the data is not an image, damaged, cut short or unreadable, and CancelledError soon after
    ``cancelled`` returns True; each message is one line.
    """
    with open_source(source, limits, name) as opened:
        kind = recognise(opened)
        claim()  # before any lock that another thread may have held during a fork
        vips.forget_errors()  # or a message may quote an older failure
        try:
            samples, state = _decode_strictly(opened, kind, limits, cancelled)
        except pyvips.Error as error:
            check_cancelled(cancelled)
            raise vips_error(opened, kind, error) from None
        except MemoryError:
            raise LimitError(
                "not enough memory to decode it", where=opened.name, remedy="free some or shrink it"
            ) from None
        return _decoded_image(samples, kind, state)


def _decode_strictly(
    source: OpenSource, kind: str, limits: ImageLimits, cancelled: Callable[[], bool] | None
) -> tuple[npt.NDArray[Any], _DecodeState]:
    """Decode, failing on any warning; retry a JPEG leniently if its warnings are harmless."""
    state = _DecodeState(cancelled)
    if kind != "jpeg":
        return _samples(source, kind, limits, state), state
    with jpeg_warnings() as warnings:
        try:
            samples = _samples(source, kind, limits, state)
        except pyvips.Error as error:
            warnings.record(str(error))
            if warnings.count == 0 or warnings.damage(has_several_scans=state.has_several_scans):
                raise
            state = _DecodeState(cancelled, fail_on="error")
            samples = _samples(source, kind, limits, state)
    # libvips does not check for warnings about the last rows.
    reason = warnings.damage(has_several_scans=state.has_several_scans)
    if reason:
        raise damaged(source.name, kind, f" ({reason})")
    if warnings.count:
        state.notes.append(f"the JPEG file is slightly irregular ({warnings.first}); the image is complete")
    return samples, state


def _samples(source: OpenSource, kind: str, limits: ImageLimits, state: _DecodeState) -> npt.NDArray[Any]:
    """Return (H, W, 1 to 4) uint8 or uint16: grey or RGB, then alpha; not yet upright."""
    if kind == "pnm":
        return read_pnm(source, limits)
    if kind == "bmp":
        return _bmp_samples(source, limits, state)
    if kind == "tiff":
        _choose_page(source, limits, state)
    if state.tiff is not None and is_lab8(state.tiff.page):
        return _lab8_samples(source, state.tiff, limits, state)
    if kind == "png" and is_cgbi(source):
        state.notes.append("iOS variant of PNG (CgBI) converted")
        return from_premultiplied_bgra(_vips_samples(as_plain_png(source, limits), kind, limits, state))
    return _vips_samples(source, kind, limits, state)


def _lab8_samples(
    source: OpenSource, tiff: ChosenPage, limits: ImageLimits, state: _DecodeState
) -> npt.NDArray[Any]:
    lab = vips.image_over(read_lab8(source, tiff.page, limits)).copy(interpretation="lab")
    lab.set_type(pyvips.GValue.gint_type, "orientation", tiff.orientation)
    state.notes += ["CIELab converted to sRGB", *([tiff.note] if tiff.note else [])]
    _gather_metadata(source, "tiff", lab, None, limits, state)
    return vips.pixels_of(colour.lab_to_srgb(lab, bits=8))


def _choose_page(source: OpenSource, limits: ImageLimits, state: _DecodeState) -> None:
    pages = tiff_pages(source, limits)
    refuse_raw(source, pages)
    if not pages:
        return
    state.tiff = chosen_page(pages)
    page = state.tiff.page
    if lacks_extra_samples_tag(page) and page.lies_within(source):
        state.fail_on = "error"  # libtiff warns of the missing tag, which is harmless if all data is there


def _bmp_samples(source: OpenSource, limits: ImageLimits, state: _DecodeState) -> npt.NDArray[Any]:
    samples = read_bmp(source, limits)
    state.metadata = Metadata(icc=embedded_profile(source, limits), pixels_per_mm=print_resolution(source))
    image = ordinary_image(samples, state.metadata.icc)
    converted = _with_known_colours(image, state)
    return samples if converted is image else vips.pixels_of(converted, state.cancelled)


def _vips_samples(
    source: OpenSource, kind: str, limits: ImageLimits, state: _DecodeState
) -> npt.NDArray[Any]:
    png = _scan_before_opening(source, kind, limits, state)
    image = _opened(source, kind, limits, state)
    _gather_metadata(source, kind, image, png, limits, state)
    if state.tiff is not None:
        image = with_known_channels(image, state.tiff.page, source.name, state.notes)
        image = with_rgb(image, state.tiff.page, source.name)
    if image.bands > (5 if image.interpretation == "cmyk" else 4):
        remedy = "save it as grey or RGB, with or without alpha"
        raise InputError(f"has {image.bands} channels", where=source.name, remedy=remedy)
    file_bits = vips.get_int(image, "bits-per-sample", 16)
    if kind == "heif" and needs_package(image):
        image = decoded_heic(source, image)
    samples = vips.pixels_of(_with_known_colours(image, state), state.cancelled)
    if kind == "gif" and image.bands in (2, 4) and bool(np.all(samples[..., -1] == 255)):
        samples = samples[..., :-1]  # another frame has transparency
    elif kind == "gif" and image.bands in (1, 3):
        samples = with_empty_canvas(samples, source)
    if kind == "heif" and samples.dtype == np.uint16:
        # 10 and 12 bits arrive shifted up with zeros below; repeat the high bits there, so that white stays white.
        samples = samples | samples >> file_bits
    return to_integers(source.name, samples, state.notes, has_profile=state.metadata.icc is not None)


def _scan_before_opening(
    source: OpenSource, kind: str, limits: ImageLimits, state: _DecodeState
) -> PngFacts | None:
    """Check what libvips would not, and read what it ignores."""
    if kind == "gif":
        check_gif_size(source, limits)
    if kind == "heif":
        state.stated = stated_by_heif(source)
    if state.tiff is not None:
        state.stated = stated_by_tiff(state.tiff.page)
    if kind != "png":
        return None
    facts = read_png_facts(source, limits)
    state.metadata = Metadata(png_colour=facts.colour)
    state.stated = stated_by_png(facts.colour)
    if facts.is_animated:
        state.notes.append("animated: the still image of the PNG is used")
    return facts


def _opened(source: OpenSource, kind: str, limits: ImageLimits, state: _DecodeState) -> pyvips.Image:
    """Read the header of the image; pixels are decoded on demand."""
    load = getattr(pyvips.Image, LOADERS[kind], None)
    if load is None:
        raise no_loader(source, kind)
    page = {} if state.tiff is None else {"page": state.tiff.page.page, "subifd": state.tiff.page.subifd}
    image: pyvips.Image = load(source.for_vips(), access="sequential", fail_on=state.fail_on, **page)
    state.has_several_scans = vips.get_int(image, "interlaced", 0) != 0
    check_size(source.name, image.height, image.width, limits)
    _check_frames(source.name, kind, image, limits, state)
    if state.tiff is not None:
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", state.tiff.orientation)
    return image


def _with_known_colours(image: pyvips.Image, state: _DecodeState) -> pyvips.Image:
    known = with_known_colours(image, state.metadata.icc, state.stated, state.notes)
    state.code_table, state.transfer = known.code_table, known.transfer
    chunks = state.metadata.png_colour
    if state.stated is not None and state.stated.code_points and not chunks:
        chunks = chunk(b"cICP", state.stated.code_points)  # HEIF states them otherwise
    chunks = still_true(chunks, is_converted=known.is_converted, has_profile=known.icc is not None)
    state.metadata = replace(state.metadata, icc=known.icc, png_colour=chunks)
    return known.image


def _check_frames(
    name: str, kind: str, image: pyvips.Image, limits: ImageLimits, state: _DecodeState
) -> None:
    frames = image.get_n_pages()
    if frames > limits.max_frames:
        raise LimitError(f"{frames} frames are over the limit of {limits.max_frames}", where=name)
    if state.tiff is not None:
        frames = state.tiff.pages
        if state.tiff.note:
            state.notes.append(state.tiff.note)
    primary = vips.get_int(image, "heif-primary", 0)  # the page that libvips loads
    if frames > 1 and primary:
        state.notes.append(f"page {primary + 1} of {frames} is used: the file names it as its primary image")
    elif frames > 1:
        state.notes.append(
            f"the first of {frames} {'pages' if kind in ('tiff', 'heif') else 'frames'} is used"
        )


def _gather_metadata(
    source: OpenSource,
    kind: str,
    image: pyvips.Image,
    png: PngFacts | None,
    limits: ImageLimits,
    state: _DecodeState,
) -> None:
    page = None if state.tiff is None else state.tiff.page
    state.metadata, left_out = gathered(source, kind, image, state.metadata, limits, png=png, page=page)
    if image.get_typeof("orientation"):
        state.orientation = vips.get_int(image, "orientation", 1)
    elif kind == "png":
        state.orientation = exif.orientation(state.metadata.exif)
    is_turned = state.orientation != 1
    if is_turned:
        state.notes.append(f"turned upright (EXIF orientation {state.orientation})")
    size = (image.width, image.height) if state.orientation >= 5 else (image.height, image.width)
    if state.orientation >= 5 and state.metadata.pixels_per_mm is not None:
        across, down = state.metadata.pixels_per_mm
        state.metadata = replace(state.metadata, pixels_per_mm=(down, across))
    state.metadata = without_false_properties(state.metadata, size, left_out, is_turned=is_turned)
    state.notes += note_of(left_out)
    state.is_lossless = kind == "webp" and is_lossless_webp(source)
    if quality_in := {"jpeg": jpeg_quality, "webp": webp_quality}.get(kind):
        state.jpeg_quality = quality_in(source)


def _decoded_image(samples: npt.NDArray[Any], kind: str, state: _DecodeState) -> DecodedImage:
    return replace(
        working_image(upright(samples, state.orientation), state.code_table),
        metadata=state.metadata,
        transfer=state.transfer,
        source_format=kind,
        is_lossless=state.is_lossless,
        jpeg_quality=state.jpeg_quality,
        notes=state.notes,
    )
