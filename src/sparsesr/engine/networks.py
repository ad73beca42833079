"""``Networks``: the networks of one model, or the default ones, by scale; each is loaded when it is needed."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence

from sparsesr.engine.network_pass import NetworkPass
from sparsesr.errors import UsageError, Wording
from sparsesr.forked import RenewedLock
from sparsesr.modelfile.catalogue import default_model_for, default_scales, load
from sparsesr.modelfile.spec import ModelFile, scale_words

ModelLike = str | os.PathLike[str] | ModelFile
DEFAULT_SCALE = 2


class Networks:
    """Networks that differ in their scale, default ones also in the images that they are for.

    Any number of threads may share them.
    """

    def __init__(
        self, model: ModelLike | None, *, threads: int | None, precision: str, inference: str
    ) -> None:
        """``model``: a name, a path or a model; None: the default model of each scale. ModelError if it is refused."""
        self._model = model if isinstance(model, ModelFile | None) else load(model)
        self._settings = {"threads": threads, "precision": precision, "inference": inference}
        self._jpeg_quality: int | None = None
        self._loaded: dict[tuple[str, int], NetworkPass] = {}
        """By name and scale."""
        self._defaults: dict[tuple[int, int | None], str] = {}
        """Name of the default model, by scale and quality of a JPEG."""
        self._lock = RenewedLock()

    def for_jpeg(self, quality: int | None) -> Networks:
        """The networks for a JPEG of this quality, None for other images; what is loaded is shared with these."""
        if self._model is not None or quality == self._jpeg_quality:
            return self
        others = copy.copy(self)
        others._jpeg_quality = quality
        return others

    @property
    def are_default(self) -> bool:
        """True if no model was named, so that they depend on the image."""
        return self._model is None

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales for which there is a network."""
        return default_scales() if self._model is None else self._model.scales

    @property
    def default_scale(self) -> int:
        """The scale if none is asked for."""
        return DEFAULT_SCALE if self._model is None else self._model.facts.scale

    def __getitem__(self, scale: int) -> NetworkPass:
        """The network for one of the scales."""
        with self._lock:
            name = self._default_for(scale) if self._model is None else self._model.facts.name
            if (name, scale) not in self._loaded:
                model = load_model(self._model or name, scale)
                self._loaded[name, scale] = NetworkPass(model, **self._settings)  # pyright: ignore[reportArgumentType]
            return self._loaded[name, scale]

    def along(self, scales: Sequence[int]) -> list[NetworkPass]:
        """The networks of a route: the first enlarges the image, the others its result, which is clean."""
        first, *others = scales
        clean = self.for_jpeg(None)
        return [self[first], *(clean[scale] for scale in others)]

    def _default_for(self, scale: int) -> str:
        key = scale, self._jpeg_quality
        if key not in self._defaults:
            self._defaults[key] = default_model_for(scale, self._jpeg_quality).name
        return self._defaults[key]

    @property
    def idle_bytes(self) -> int:
        """Working memory kept for the next image, by networks for other images too."""
        return sum(each.network.session.idle_bytes for each in list(self._loaded.values()))

    def release_buffers(self, but: NetworkPass | None = None) -> None:
        """Return that memory to the system, apart from that of one network."""
        for each in list(self._loaded.values()):
            if each is not but:
                each.network.session.keep_buffers(0)


def load_model(model: ModelLike | None, scale: int | None, jpeg_quality: int | None = None) -> ModelFile:
    """Load a model, or the default one (for a JPEG of this quality), for one scale.

    UsageError if the model does not support the scale.
    """
    if model is None:
        wanted = scale or DEFAULT_SCALE
        return load(default_model_for(wanted, jpeg_quality).path).at_scale(wanted)
    loaded = model if isinstance(model, ModelFile) else load(model)
    if scale not in (None, *loaded.scales):
        raise UsageError(
            f"the model {loaded.facts.name} upscales {scale_words(loaded.scales)}, not x{scale}",
            remedy=Wording("leave {} out or name another {}", "scale", "model"),
        )
    return loaded.at_scale(scale)
