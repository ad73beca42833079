"""For any damage to a model file, the reader returns a model or raises a one-line ModelError."""

from __future__ import annotations

import io
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphs
from hostile_models import edit_document, join, saved, split
from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile.reader import parse_description, read_model
from sparsesr.modelfile.writer import encode_model

MODEL = graphs.smsr(channels=4, modules=1, layers=2, mask_channels=2)
GOOD = encode_model(MODEL.facts, MODEL.graph, MODEL.tensors)
HEADER_BYTES = 8 + int.from_bytes(GOOD[:8], "little")
TOKENS = [b"0", b"-1", b"1e9", b"99999999999999999999", b"null", b"{}", b"[]", b'"', b"\\", b",", b":", b"\0"]


def survives(data: bytes) -> None:
    """Parse from memory; checks everything but the tensors' values."""
    try:
        parse_description(io.BytesIO(data), len(data), ModelLimits())
    except ModelError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000


def mutated(rng: random.Random) -> bytes:
    data = bytearray(GOOD)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(HEADER_BYTES if rng.random() < 0.9 else len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 2:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            data[at : at + 1] = rng.choice(b"0123456789").to_bytes(1, "little")
        else:
            other = rng.randrange(HEADER_BYTES)
            data[at : at + 20] = data[other : other + 20]
        if kind in (1, 2) and at >= 8 and rng.random() < 0.9:
            grown = len(data) - len(GOOD) + HEADER_BYTES - 8
            data[:8] = max(0, grown).to_bytes(8, "little")
    return bytes(data)


def test_mutated_bytes():
    rng = random.Random(7)  # noqa: S311
    for _ in range(3000):
        survives(mutated(rng))


def test_mutated_files_on_disk(tmp_path):
    """The same through a file and the safetensors library, with damage mostly to the data."""
    rng = random.Random(8)  # noqa: S311
    for _ in range(300):
        data = bytearray(GOOD)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path = saved(tmp_path, bytes(data))
        try:
            read_model(path)
        except ModelError as error:
            assert "\n" not in str(error)


def paths_of(value, prefix=()):
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from paths_of(child, (*prefix, key))


def document_of(data: bytes) -> dict:
    documents: list[dict] = []
    edit_document(data, documents.append)
    return documents[0]


PLACES = [path for path in paths_of(document_of(GOOD)) if path]
HEADER_PLACES = [
    path for path in paths_of({k: v for k, v in split(GOOD)[0].items() if k != "__metadata__"}) if path
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["image", "conv2d"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def put(root, path, value) -> None:
    for key in path[:-1]:
        root = root[key]
    root[path[-1]] = value


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_any_field_of_the_graph_replaced_by_anything(place, value):
    survives(edit_document(GOOD, lambda document: put(document, place, value)))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADER_PLACES), JSON)
def test_any_field_of_the_header_replaced_by_anything(place, value):
    header, body = split(GOOD)
    put(header, place, value)
    survives(join(header, body))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data):
    survives(data)
    survives(len(data).to_bytes(8, "little") + data)


@pytest.mark.parametrize("claim", [[1 << 40, 1 << 20], [1 << 62], [4096, 4096, 3, 3]])
def test_absurd_shapes_allocate_nothing(claim):
    header, body = split(GOOD)
    header["head.0.weight"]["shape"] = claim
    data = join(header, body)
    tracemalloc.start()
    survives(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
