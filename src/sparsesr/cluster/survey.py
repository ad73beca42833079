"""``Survey``: the machines of a Ray cluster, those that can take part in a batch, and what they have in common."""

from __future__ import annotations

import time

from sparsesr import __version__, _native
from sparsesr.cluster.fleet import Remark
from sparsesr.cluster.ray_cluster import Node, RayCluster, RayError, Ref
from sparsesr.cluster.scout import Facts, Probe
from sparsesr.errors import BackendError, SparsesrError

_LONGEST_S = 60.0
"""For the first answers; on a slow file system the first import takes long."""
_POLL_INTERVAL_S = 0.1


class Survey:
    """Sends a scout to each machine, once."""

    def __init__(self, cluster: RayCluster, probe: Probe, precision: str) -> None:
        self._cluster, self._probe, self._precision = cluster, probe, precision
        self._scouts: dict[str, tuple[Node, Ref]] = {}
        self._facts: dict[str, Facts] = {}
        self._left_out: set[str] = set()
        self._said: set[str] = set()
        self._present: list[Node] = []

    @property
    def usable(self) -> list[Node]:
        """The machines that were there at the last look, and can take part."""
        return [node for node in self._present if node.key in self._facts]

    def facts(self, node: Node) -> Facts:
        """The facts of a usable machine."""
        return self._facts[node.key]

    def common_gains(self) -> dict[str, float]:
        """The gain of each precision on the machine where it is least; 0 where one has no instructions for it."""
        every = [self.facts(node).gains for node in self.usable]
        return {key: min(gains[key] for gains in every) for key in every[0]}

    def first(self) -> list[Remark]:
        """Wait for the facts of all machines that are there; return remarks about them.

        Raises:
            SparsesrError: none can take part; of several reasons, the first.
        """
        remarks = self.look()
        deadline = time.monotonic() + _LONGEST_S
        while self._scouts and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL_S)
            remarks += self.look()
        if not self.usable:
            faults = [remark for remark in remarks if isinstance(remark.what, SparsesrError)]
            raise _nobody(faults[0] if faults else None)
        return remarks

    def look(self) -> list[Remark]:
        """Send scouts to new machines, and take in what others have found out."""
        self._present = self._cluster.nodes()
        for node in self._present:
            if not (node.key in self._facts or node.key in self._scouts or node.key in self._left_out):
                self._scouts[node.key] = node, self._cluster.scout(node, self._probe)
        remarks: list[Remark] = []
        for ref in self._cluster.wait([ref for _, ref in self._scouts.values()], 0):
            node = next(node for node, other in self._scouts.values() if other is ref)
            del self._scouts[node.key]
            remarks += self._judged(node, ref)
        return remarks

    def _judged(self, node: Node, ref: Ref) -> list[Remark]:
        try:
            facts: Facts = self._cluster.value(ref)
            fault = facts.fault or _version_fault(facts)
        except (RayError, ImportError) as error:
            what = " ".join(str(error).split())[-200:]
            fault = BackendError(f"sparsesr cannot run there ({what})", remedy="install sparsesr[ray] there")
        else:
            if fault is None:
                self._facts[node.key] = facts
                return [Remark(node.name, text) for text in self._peculiarities(facts) if self._is_new(text)]
        self._left_out.add(node.key)
        return [Remark(node.name, fault)]

    def _peculiarities(self, facts: Facts) -> list[str]:
        """In what results of the machine may differ from those of this one."""
        own, there = _native.kernel_table()["conv"], facts.kernels["conv"]
        texts: list[str] = []
        if facts.gains.get(self._precision) == 0:
            texts.append(f"has no {self._precision} instructions, so its results are in fp32")
        if own != there:
            texts.append(
                f"computes with {there}, this machine with {own}; results may differ in their last bits,"
                " unless SPARSESR_CPU is set here to what both have"
            )
        return texts

    def _is_new(self, text: str) -> bool:
        """True once for each text: of a thousand equal machines one is enough."""
        is_new = text not in self._said
        self._said.add(text)
        return is_new


def _version_fault(facts: Facts) -> SparsesrError | None:
    if facts.version == __version__:
        return None
    what = f"has sparsesr {facts.version}, not {__version__}"
    return BackendError(what, remedy="install the same version on all machines")


def _nobody(first: Remark | None) -> SparsesrError:
    if first is None or not isinstance(first.what, SparsesrError):
        return BackendError("no machine of the cluster offers a processor", remedy="see `ray status`")
    fault = first.what
    where = f"machine {first.machine}: {fault.where}" if fault.where else f"machine {first.machine}"
    return type(fault)(fault.what, where=where, remedy=fault.remedy)
