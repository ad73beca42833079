"""How machines are divided among workers."""

from __future__ import annotations

import pytest

from sparsesr.cluster.items import Settings
from sparsesr.cluster.layout import Machine, alone, shared
from sparsesr.jobs.files import WriteOptions
from sparsesr.limits import GIBIBYTE

SETTINGS = Settings(None, {}, "auto", "auto", None, WriteOptions(), {})


@pytest.mark.parametrize(
    ("threads", "free", "files", "memory", "expected"),
    [
        (4, 16 * GIBIBYTE, 100, None, [(1, 2 * GIBIBYTE)] * 4),
        (
            8,
            16 * GIBIBYTE,
            3,
            None,
            [(3, 16 * GIBIBYTE // 6), (3, 16 * GIBIBYTE // 6), (2, 16 * GIBIBYTE // 6)],
        ),
        (8, 2 * GIBIBYTE, 100, None, [(4, GIBIBYTE // 2)] * 2),
        (8, GIBIBYTE // 4, 100, None, [(8, None)]),
        (8, 10 * GIBIBYTE, 100, 4 * GIBIBYTE, [(4, 4 * GIBIBYTE)] * 2),
        (8, GIBIBYTE, 100, 4 * GIBIBYTE, [(8, 4 * GIBIBYTE)]),
        (2, None, 9, None, [(1, None)] * 2),
        (4, 16 * GIBIBYTE, 1, None, [(4, None)]),
    ],
)
def test_workers_share_threads_and_memory(threads, free, files, memory, expected):
    workers = shared(SETTINGS, Machine(threads, free), files, memory)
    assert [(each.threads, each.memory) for each in workers] == expected
    assert sum(each.threads for each in workers) == threads
    is_share = memory is None and len(workers) > 1
    assert all(each.is_shared == is_share for each in workers), "only a share can be too small"


def test_alone_a_worker_has_what_upscale_has():
    (worker,) = alone(SETTINGS, Machine(8, GIBIBYTE))
    assert (worker.threads, worker.memory, worker.is_shared) == (8, None, False)
