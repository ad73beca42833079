"""``Networks``: the networks of one model, or the default ones, by scale; each is loaded when it is needed."""

from __future__ import annotations

import os

from sparsesr.engine.network_pass import NetworkPass
from sparsesr.errors import UsageError, Wording
from sparsesr.forked import RenewedLock
from sparsesr.modelfile.catalogue import default_model_for, default_scales, load
from sparsesr.modelfile.spec import ModelFile, scale_words

ModelLike = str | os.PathLike[str] | ModelFile
DEFAULT_SCALE = 2


class Networks:
    """Networks that differ in their scale only. Any number of threads may share them."""

    def __init__(
        self, model: ModelLike | None, *, threads: int | None, precision: str, inference: str
    ) -> None:
        """``model``: a name, a path or a model; None: the default model of each scale. ModelError if it is refused."""
        self._model = model if isinstance(model, ModelFile | None) else load(model)
        self._settings = {"threads": threads, "precision": precision, "inference": inference}
        self._loaded: dict[int, NetworkPass] = {}
        self._lock = RenewedLock()

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
            if scale not in self._loaded:
                model = load_model(self._model, scale)
                self._loaded[scale] = NetworkPass(model, **self._settings)  # pyright: ignore[reportArgumentType]
            return self._loaded[scale]

    @property
    def idle_bytes(self) -> int:
        """Working memory kept for the next image."""
        return sum(each.network.session.idle_bytes for each in self._loaded.values())

    def release_buffers(self, but: int = 0) -> None:
        """Return that memory to the system, apart from the network of the scale ``but``."""
        for scale, each in self._loaded.items():
            if scale != but:
                each.network.session.keep_buffers(0)


def load_model(model: ModelLike | None, scale: int | None) -> ModelFile:
    """Load a model, or the default one, for one scale; UsageError if the model does not support the scale."""
    if model is None:
        wanted = scale or DEFAULT_SCALE
        return load(default_model_for(wanted).path).at_scale(wanted)
    loaded = model if isinstance(model, ModelFile) else load(model)
    if scale not in (None, *loaded.scales):
        raise UsageError(
            f"the model {loaded.facts.name} upscales {scale_words(loaded.scales)}, not x{scale}",
            remedy=Wording("leave {} out or name another {}", "scale", "model"),
        )
    return loaded.at_scale(scale)
