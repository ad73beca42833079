"""The encoders of PyAV that are used, with their options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from av.codec import Codec as FFmpegCodec
from av.error import FFmpegError

from sparsesr.errors import BackendError, Parameter, UsageError
from sparsesr.video.hdr import Hdr, svt_parameters, x264_parameters, x265_parameters

_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"),
    "placebo",
)


@dataclass(frozen=True)
class Codec:
    """A codec and its encoder."""

    name: str
    decoder_names: tuple[str, ...]
    """FFmpeg's names of the codec in an input."""
    encoder: str
    crf: int
    """Chosen so that the encoder loses little of what the network gained."""
    most_crf: int
    preset: str
    presets: tuple[str, ...]
    parameters_option: str
    hdr_parameters: Callable[[Hdr], list[str]]
    quiet: tuple[str, ...] = ()
    """Parameters that stop it from printing."""
    held_frames: int = 140
    """Its memory with the default preset, in frames; measured at 960x544."""
    least_width_px: int = 1

    def pixel_formats(self) -> tuple[str, ...]:
        """Formats that this build takes; BackendError if it has no such encoder."""
        try:
            return tuple(each.name for each in FFmpegCodec(self.encoder, "w").video_formats or ())
        except (FFmpegError, ValueError) as error:
            raise BackendError(
                f"this build of PyAV has no encoder {self.encoder}",
                where=Parameter("codec"),
                remedy=f"use one of {', '.join(CODECS)}",
            ) from error


CODECS = {
    codec.name: codec
    for codec in (
        Codec("h264", ("h264",), "libx264", 17, 51, "medium", _X26X_PRESETS, "x264-params", x264_parameters),
        Codec(
            *("h265", ("hevc", "h265"), "libx265", 19, 51, "medium", _X26X_PRESETS),
            *("x265-params", x265_parameters, ("log-level=none",)),
            held_frames=210,
            least_width_px=64,  # it writes beyond its buffers at up to 48, and kills the process
        ),
        Codec(
            *("av1", ("av1", "libdav1d", "libaom-av1"), "libsvtav1", 22, 63, "8"),
            *(tuple(map(str, range(14))), "svtav1-params", svt_parameters),
            held_frames=300,
        ),
    )
}


def codec_for(wanted: str | None, source: str, suffix: str) -> Codec:
    """The codec of that name, or without one that of the input, if it is one of ours and suits the container."""
    if wanted is not None:
        if wanted not in CODECS:
            raise UsageError(f"{wanted!r} is unknown", where=Parameter("codec"), remedy=f"use {_known()}")
        return CODECS[wanted]
    if suffix == ".webm":
        return CODECS["av1"]
    kept = next((codec for codec in CODECS.values() if source in codec.decoder_names), CODECS["h264"])
    return CODECS["h265"] if kept.name == "av1" and suffix == ".mov" else kept


def checked_crf(codec: Codec, crf: int | None) -> int:
    """The quality to encode with; UsageError if it is out of range."""
    if crf is not None and not 0 <= crf <= codec.most_crf:
        raise UsageError(f"must be 0 to {codec.most_crf} for {codec.name}, not {crf}", where=Parameter("crf"))
    return codec.crf if crf is None else crf


def checked_preset(codec: Codec, preset: str | None) -> str:
    """The preset to encode with; UsageError if it is unknown."""
    if preset is not None and preset not in codec.presets:
        first, last = codec.presets[0], codec.presets[-1]
        raise UsageError(
            f"{preset!r} is unknown to {codec.name}",
            where=Parameter("preset"),
            remedy=f"use {first} (fastest) to {last}"
            if not first.isdigit()
            else f"use {last} (fastest) to {first}",
        )
    return preset or codec.preset


def _known() -> str:
    *others, last = CODECS
    return f"{', '.join(others)} or {last}"
