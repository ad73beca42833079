"""Typed access to untrusted JSON: each accessor returns the type that it names or raises ModelError."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias, cast

from sparsesr.errors import ModelError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def fail(message: str) -> NoReturn:
    """Raise ModelError with ``message``."""
    raise ModelError(message)


def parse(text: str | bytes, what: str) -> Json:
    """Parse strict JSON: finite numbers, valid characters, no repeated keys, bounded nesting."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        value: Json = json.loads(
            decoded, object_pairs_hook=_unique_keys, parse_float=_finite, parse_constant=_finite
        )
        if "\\u" in decoded:  # only an escape can produce half a surrogate pair, which is not a character
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        fail(f"{what} is nested too deeply")
    except ValueError:
        fail(f"{what} is not valid JSON")
    return value


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is not finite")
    return value


def dump(document: Json, what: str) -> str:
    """Write compact JSON with sorted keys: equal documents give equal bytes.

    Raises:
        ModelError: the document holds something that JSON cannot represent (NaN, an array, half a character...).
    """
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        fail(f"{what} cannot be stored as JSON: {error}")
    if "\\ud" in text:  # half a surrogate pair is written so, and also whole pairs
        _check_characters(document, what)
    return text


def _check_characters(value: object, what: str, *path: str) -> None:
    """Raise ModelError that names a field with half a surrogate pair, which bytes beyond UTF-8 become in arguments."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            fail(f"{what}: {shown('.'.join(path))[1:-1]} is not valid UTF-8 text")
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            _check_characters(key, what, *path, str(key))
            _check_characters(inner, what, *path, str(key))
    elif isinstance(value, (list, tuple)):
        for inner in cast("Sequence[object]", value):
            _check_characters(inner, what, *path)


def check_format(version: int, newest: int) -> None:
    """Refuse format numbers that are newer than ``newest`` or below 1."""
    if version > newest:
        fail(f"format {version} was written by a newer sparsesr; upgrade sparsesr to read it")
    if version < 1:
        fail(f"format {version} is not a format of sparsesr")


def only_keys(data: dict[str, Json], allowed: set[str], where: str) -> None:
    """Refuse keys that are not in ``allowed``."""
    unknown = sorted(set(data) - allowed)
    if unknown:
        fail(f"{where} has an unknown field {shown(unknown[0])}")


def as_object(value: Json, where: str) -> dict[str, Json]:
    """``value`` as a JSON object."""
    if not isinstance(value, dict):
        fail(f"{where} is not a JSON object")
    return value


def integer(data: dict[str, Json], key: str, where: str = "the description") -> int:
    """A whole number that fits in 64 bits."""
    value = data.get(key)
    if type(value) is not int or abs(value) >= 1 << 63:
        fail(f"{where}: {key} must be a whole number")
    return value


def number(data: dict[str, Json], key: str, where: str = "the description") -> float:
    """A finite number."""
    value = data.get(key)
    if type(value) not in (int, float):
        fail(f"{where}: {key} must be a number")
    return numbers([value], f"{where}: {key}")[0]


def numbers(values: list[Json], where: str) -> list[int] | list[float]:
    """A list of finite numbers, all int or else all float."""
    if all(type(value) is int and abs(value) < 1 << 63 for value in values):
        return [value for value in values if isinstance(value, int)]
    result: list[float] = []
    for value in values:
        if not isinstance(value, (int, float)) or not abs(value) < 1e300:
            fail(f"{where} must be finite")
        result.append(float(value))
    return result


def text(data: dict[str, Json], key: str, where: str = "the description") -> str:
    """A string."""
    value = data.get(key)
    if not isinstance(value, str):
        fail(f"{where}: {key} must be a string")
    return value


def texts(data: dict[str, Json], key: str, where: str) -> list[str]:
    """A list of strings."""
    result: list[str] = []
    for value in sequence(data, key, where):
        if not isinstance(value, str):
            fail(f"{where}: {key} must be a list of strings")
        result.append(value)
    return result


def text_mapping(data: dict[str, Json], key: str, where: str = "the description") -> dict[str, str]:
    """An object whose values are all strings."""
    result: dict[str, str] = {}
    for name, value in mapping(data, key, where).items():
        if not isinstance(value, str):
            fail(f"{where}: {key} must map to strings")
        result[name] = value
    return result


def mapping(data: dict[str, Json], key: str, where: str = "the description") -> dict[str, Json]:
    """An object."""
    value = data.get(key)
    if not isinstance(value, dict):
        fail(f"{where}: {key} must be an object")
    return value


def sequence(data: dict[str, Json], key: str, where: str = "the description") -> list[Json]:
    """A list."""
    value = data.get(key)
    if not isinstance(value, list):
        fail(f"{where}: {key} must be a list")
    return value


def shown(name: str) -> str:
    """An untrusted name, quoted, cut and escaped so that it is safe in a one-line message."""
    return ascii(name if len(name) <= 80 else name[:77] + "...")
