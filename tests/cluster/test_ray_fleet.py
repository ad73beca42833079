"""Machines that come, go, or cannot take part, with a stand-in for the cluster, so that all of it happens at will."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray")

from sparsesr import __version__, _native
from sparsesr.cluster import ray_fleet
from sparsesr.cluster.fleet import Answered, Lost, Remark
from sparsesr.cluster.items import Item, PutOff, Settings
from sparsesr.cluster.ray_cluster import Node, RayError
from sparsesr.cluster.ray_fleet import RayFleet
from sparsesr.cluster.scout import Facts, Probe
from sparsesr.cluster.survey import Survey
from sparsesr.errors import BackendError, InputError, ModelError, SparsesrError
from sparsesr.jobs.files import WriteOptions
from sparsesr.limits import GIBIBYTE

GAINS = {"bf16": 1.0, "int8": 3.0}
FACTS = Facts(__version__, _native.kernel_table(), GAINS, 8 * GIBIBYTE, None)
SETTINGS = Settings(None, {}, "auto", "auto", None, WriteOptions(), GAINS)
PROBE = Probe(Path("probe"), "token", Path("a.png"))
ITEM = Item(Path("a.png"), Path("a_x2.png"))


class Ref:
    """A value, or an exception, that comes when it is set."""

    def __init__(self, *values: object) -> None:
        self.values = list(values)


class StandIn:
    """The calls of :class:`RayCluster`; values come as soon as a test puts them there."""

    def __init__(self, facts: dict[str, Facts | Exception], threads: int = 1) -> None:
        self.facts, self.threads = facts, threads
        self.opening: object = None
        self.hired: list[str] = []
        self.dismissed = 0

    def nodes(self) -> list[Node]:
        return [Node(name, name, self.threads) for name in self.facts]

    def scout(self, node: Node, probe: Probe) -> Ref:
        return Ref(self.facts[node.key])

    def put(self, settings: Settings) -> Settings:
        return settings

    def hire(self, node: Node, settings: Settings, threads: int) -> tuple[str, Ref]:
        self.hired.append(node.key)
        return node.key, Ref(self.opening)

    def give(self, actor: str, chunk: list[Item]) -> Ref:
        self.stream = Ref()
        return self.stream

    def wait(self, refs: list[Ref], timeout_s: float) -> list[Ref]:
        return [ref for ref in refs if ref.values]

    def value(self, ref: Ref) -> object:
        value = ref.values.pop(0)
        if isinstance(value, Exception) and not isinstance(value, SparsesrError):
            raise value
        return value

    next_value = value

    def stop(self, actor: str) -> None: ...

    def dismiss(self, actor: str) -> None:
        self.dismissed += 1


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(ray_fleet, "_LOOK_INTERVAL_S", 0.0)


def surveyed(cluster: StandIn, precision: str = "auto") -> tuple[Survey, list[Remark]]:
    survey = Survey(cluster, PROBE, precision)
    return survey, survey.first()


def started(cluster: StandIn, threads: int | None = None) -> RayFleet:
    fleet = RayFleet(cluster, surveyed(cluster)[0], SETTINGS, None, threads)
    fleet.start(100, is_shared=True)
    return fleet


def test_each_processor_of_each_machine_gets_a_worker():
    cluster = StandIn({"a": FACTS, "b": FACTS}, threads=4)
    fleet = started(cluster)
    assert fleet.ready == [] and list(fleet.events(0)) == []
    assert len(fleet.ready) == 8 and cluster.hired == ["a"] * 4 + ["b"] * 4


def test_the_number_of_threads_is_that_of_all_machines_together():
    cluster = StandIn({"a": FACTS, "b": FACTS, "c": FACTS}, threads=4)
    started(cluster, threads=6)
    assert cluster.hired == ["a"] * 4 + ["b"] * 2


def test_auto_takes_only_what_all_machines_have():
    survey, _ = surveyed(
        StandIn({"a": FACTS, "b": Facts(__version__, FACTS.kernels, {"bf16": 2.0, "int8": 0.0}, 1, None)})
    )
    assert survey.common_gains() == {"bf16": 1.0, "int8": 0.0}


def test_a_machine_without_the_instructions_or_with_other_kernels_is_remarked_once():
    poor = Facts(__version__, {"conv": "f32_conv__avx2"}, {"bf16": 0.0, "int8": 0.0}, 1, None)
    _, remarks = surveyed(StandIn({"a": poor, "b": FACTS, "c": poor}), "int8")
    assert [remark.machine for remark in remarks] == ["a", "a"]
    assert "has no int8 instructions, so its results are in fp32" in str(remarks[0].what)
    assert "computes with f32_conv__avx2, this machine with" in str(remarks[1].what)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Facts("9.9", FACTS.kernels, GAINS, 1, None), f"has sparsesr 9.9, not {__version__}"),
        (
            Facts(__version__, FACTS.kernels, GAINS, 1, InputError("is not visible there", where="/out")),
            "/out: is not visible",
        ),
        (RayError("No module named 'sparsesr'"), "sparsesr cannot run there (No module named 'sparsesr')"),
    ],
)
def test_a_machine_that_cannot_take_part_is_left_out_and_named(fact, words):
    cluster = StandIn({"a": fact, "b": FACTS})
    survey, (remark,) = surveyed(cluster)
    assert remark.machine == "a" and words in str(remark.what)
    assert [node.key for node in survey.usable] == ["b"]
    with pytest.raises(SparsesrError, match="machine a"):
        surveyed(StandIn({"a": fact}))


def test_a_cluster_without_processors_is_an_error():
    with pytest.raises(BackendError, match="offers a processor"):
        surveyed(StandIn({}))


def test_answers_come_in_order_and_a_worker_that_dies_is_replaced():
    cluster = StandIn({"a": FACTS})
    fleet = started(cluster)
    list(fleet.events(0))
    (first,) = fleet.ready
    fleet.give(first, [ITEM])
    cluster.stream.values = [[(PutOff(), 1.0)], RayError("killed")]
    assert list(fleet.events(0)) == [Answered(first, [(PutOff(), 1.0)])]
    (lost,) = fleet.events(0)
    assert isinstance(lost, Lost) and lost.worker == first and "on a was lost" in lost.why
    list(fleet.events(0))
    assert cluster.hired == ["a", "a"] and fleet.ready == [first + 1]


def test_machines_may_go_and_others_come():
    cluster = StandIn({"a": FACTS, "b": FACTS})
    fleet = started(cluster)
    list(fleet.events(0))
    before = fleet.ready
    del cluster.facts["b"]
    remark, lost = fleet.events(0)
    assert remark == Remark("b", "is gone; its files are done again elsewhere") and lost.worker == before[1]
    cluster.facts["c"] = FACTS
    list(fleet.events(0))
    list(fleet.events(0))
    assert cluster.hired == ["a", "b", "c"] and len(fleet.ready) == 2


def test_workers_that_cannot_load_the_model_end_the_batch_with_the_reason():
    cluster = StandIn({"a": FACTS})
    cluster.opening = ModelError("is refused", where="model")
    fleet = started(cluster)
    lost, remark = fleet.events(0)
    assert isinstance(lost, Lost) and remark == Remark("a", cluster.opening)
    with pytest.raises(ModelError, match="model: is refused"):
        list(fleet.events(0))


def test_workers_that_end_before_they_are_ready_are_not_replaced_for_ever():
    cluster = StandIn({"a": FACTS})
    cluster.opening = RayError("killed")
    fleet = started(cluster)
    with pytest.raises(BackendError, match="end before they are ready"):
        for _ in range(10):
            list(fleet.events(0))
    assert len(cluster.hired) == 3


def test_cancelled_workers_answer_and_end():
    cluster = StandIn({"a": FACTS, "b": FACTS})
    fleet = started(cluster)
    list(fleet.events(0))
    busy, _idle = fleet.ready
    fleet.give(busy, [ITEM])
    fleet.cancel()
    assert fleet.ready == [busy]
    cluster.stream.values = [[(PutOff(), 1.0)], None]
    assert [type(event) for event in fleet.events(0)] == [Answered]
    list(fleet.events(0))
    assert fleet.ready == [] and cluster.dismissed == 2
