"""Child process that opens a foreign checkpoint: ``python -m sparsesr.lab.export.checkpoint_reader IN OUT``.

A checkpoint is a pickle: even with ``weights_only`` it is parsed by code not written for hostile files. So it is
opened in a separate process with limited memory and time, which can only return tensors (OUT, a safetensors file) or
one line on standard error.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

REFUSED = 3
"""Exit status if the file is refused with a reason."""
WRAPPERS = ("params_ema", "ema", "params", "state_dict", "model_state_dict", "model", "network")
"""Keys under which training programs keep the weights, in order of preference."""
_EXTRA_BYTES = 1 << 30
_CPU_SECONDS = 60
_NOT_PLAIN = "holds Python objects other than tensors, which are never loaded; save only the state_dict"


class RefusedError(Exception):
    """The file is not a readable checkpoint; the message gives the reason."""


def main(source: Path, target: Path) -> int:
    """Write the tensors of ``source`` to ``target``; returns 0, or 3 with one line on standard error."""
    try:
        _limit_resources(source.stat().st_size)
        tensors = _tensors(_load(source))
        safetensors.torch.save_file(tensors, target)
    except (RefusedError, MemoryError) as error:
        print(str(error) or "needs too much memory", file=sys.stderr)
        return REFUSED
    return 0


def _limit_resources(file_bytes: int) -> None:
    """Limit memory to a multiple of the file's size beyond what is mapped already, and limit processor time."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    pages = Path("/proc/self/statm")
    mapped = int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 16 << 30
    memory = mapped + 8 * file_bytes + _EXTRA_BYTES
    for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, _CPU_SECONDS)):
        hard = resource.getrlimit(kind)[1]
        wanted = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (wanted, wanted))


def _load(source: Path) -> Any:
    try:
        if source.suffix.lower() == ".safetensors":
            return safetensors.torch.load_file(source)
        return torch.load(source, weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise RefusedError(_NOT_PLAIN if "Unsupported" in str(error) else _damaged()) from None
    except SafetensorError as error:
        raise RefusedError(f"is not a complete safetensors file ({_one_line(error)})") from None
    except Exception as error:
        # Any other unpickling error: the file was not written by torch.save.
        if "alloc" in str(error):
            raise RefusedError("needs far more memory than its file size suggests") from None
        raise RefusedError(_damaged()) from None


def _damaged() -> str:
    return "is not a PyTorch checkpoint, or is damaged or truncated; copy or download it again"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _tensors(loaded: Any) -> dict[str, torch.Tensor]:
    """The contained state dict as float32 tensors, each contiguous and with its own memory."""
    if isinstance(loaded, Mapping):
        for key in WRAPPERS:
            if isinstance(loaded.get(key), Mapping):
                return _tensors(loaded[key])
    found = {key: value for key, value in _items(loaded) if isinstance(value, torch.Tensor)}
    if not found:
        raise RefusedError("holds no named weights; save the network's state_dict")
    try:
        return {key: _plain(value) for key, value in found.items()}
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise RefusedError(f"holds a tensor that cannot be read ({_one_line(error)})") from None


def _items(loaded: Any) -> list[tuple[str, Any]]:
    if not isinstance(loaded, Mapping):
        return []
    return [(key, value) for key, value in loaded.items() if isinstance(key, str)]


def _plain(value: torch.Tensor) -> torch.Tensor:
    wide = value.detach().to(torch.float32).contiguous()
    return wide.clone() if wide.data_ptr() == value.data_ptr() else wide


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
