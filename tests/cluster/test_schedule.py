"""Which worker does what next: chunks, ends, and lost workers; without any process."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sparsesr.cluster.items import Item
from sparsesr.cluster.schedule import MOST_KILLS, Schedule


def items(count: int) -> list[Item]:
    return [Item(Path(f"{number}.png"), Path(f"{number}_x2.png")) for number in range(count)]


def names(chunk: list[Item]) -> list[str]:
    return [item.source.name for item in chunk]


def served(schedule: Schedule, workers: int, seconds: float = 0.01) -> tuple[list[int], Counter[str], int]:
    """Sizes of the chunks, how often each file was done, and the most files that were handed out at a time."""
    sizes: list[int] = []
    done: Counter[str] = Counter()
    queues: dict[int, list[Item]] = {worker: [] for worker in range(workers)}
    most = 0
    while not schedule.is_done:
        for worker, queue in queues.items():
            chunk = schedule.next_chunk(worker, workers)
            sizes += [len(chunk)] if chunk else []
            queue += chunk
        most = max(most, sum(map(len, queues.values())))
        for worker, queue in queues.items():
            if queue:
                item = queue.pop(0)
                assert schedule.answered(worker, seconds).source == item.source
                done[item.source.name] += 1
    return sizes, done, most


def test_a_hundred_thousand_small_files_are_handed_out_in_few_chunks_and_a_few_at_a_time():
    drawn = 0

    def counted():
        nonlocal drawn
        for item in items(100_000):
            drawn += 1
            yield item

    schedule = Schedule(counted(), 100_000)
    schedule.next_chunk(0, 16)
    assert drawn < 10, "files are looked at when a worker needs them"
    schedule = Schedule(iter(items(100_000)), 100_000)
    sizes, done, most = served(schedule, 16)
    assert set(done.values()) == {1} and len(done) == 100_000
    assert len(sizes) < 2500 and most <= 16 * 2 * 64


def test_chunks_shrink_towards_the_end():
    sizes, _, _ = served(Schedule(iter(items(1000)), 1000), 4)
    assert max(sizes) == 64 and sizes[-4:] == [1, 1, 1, 1]
    late = sizes[sizes.index(64) :]
    assert max(late[len(late) // 2 :]) < 32


def test_slow_files_come_one_at_a_time():
    sizes, _, _ = served(Schedule(iter(items(200)), 200), 2, seconds=10)
    assert max(sizes) == 2 and sizes[4:] == [1] * (len(sizes) - 4)


def test_files_that_need_no_work_take_no_place():
    entries = [None if number % 2 else item for number, item in enumerate(items(100))]
    _, done, _ = served(Schedule(iter(entries), 100), 3)
    assert set(done) == {f"{number}.png" for number in range(0, 100, 2)}


def test_files_of_a_lost_worker_are_done_again_one_by_one():
    schedule = Schedule(iter(items(20)), 20)
    first = schedule.next_chunk(0, 1)
    ahead = schedule.next_chunk(0, 1)
    assert len(first) == len(ahead) == 2 and not schedule.next_chunk(0, 1)
    schedule.answered(0, 0.01)
    assert schedule.lost(0) == []
    again = schedule.next_chunk(1, 1)
    assert names(again) == names(first[1:]) and again[0].is_again
    schedule.answered(1, 0.01)
    assert names(schedule.next_chunk(1, 1)) == names(ahead)


@pytest.mark.parametrize("position", [0, 1])
def test_a_file_that_kills_its_workers_is_given_up_and_its_neighbours_are_not(position):
    schedule = Schedule(iter(items(2)), 2)
    schedule._seconds, schedule._answers = 0.01, 1
    deadly = f"{position}.png"
    done, fatal, deaths, worker = [], [], 0, 0
    while not schedule.is_done:
        chunk = schedule.next_chunk(worker, 1)
        for item in chunk:
            if item.source.name == deadly:
                deaths += 1
                fatal += schedule.lost(worker)
                worker += 1
                break
            done.append(schedule.answered(worker, 0.01).source.name)
    assert names(fatal) == [deadly] and set(done) == {f"{1 - position}.png"} and len(done) == 1
    assert MOST_KILLS <= deaths <= MOST_KILLS + 1


def test_a_lost_worker_without_files_loses_nothing():
    schedule = Schedule(iter(items(1)), 1)
    assert schedule.lost(7) == []
    assert names(schedule.next_chunk(8, 1)) == ["0.png"]
