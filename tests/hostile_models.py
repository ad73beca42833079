"""Invalid and hostile model files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparsesr.modelfile.spec import METADATA_KEY


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data section of safetensors bytes."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: Any, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def edit_header(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    header, body = split(data)
    change(header)
    return join(header, body)


def edit_document(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """Change the JSON document that describes the model."""

    def change_text(header: dict[str, Any]) -> None:
        document = json.loads(header["__metadata__"][METADATA_KEY])
        change(document)
        header["__metadata__"][METADATA_KEY] = json.dumps(document)

    return edit_header(data, change_text)


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(data)
    return path
