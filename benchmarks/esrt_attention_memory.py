"""Peak memory of a training step of ESRT: full attention against efficient attention.

The paper's abstract claims 16,057 M against 4,191 M without stating the setting. Reconstructed setting: fp32, batch 16,
LR patches of 48x48, one training step, scores materialised. That needs 16 GB, so allocations are tracked exactly at
small batches instead: the peak is linear in the batch size (three batches confirm it) and is extrapolated to batch 16.
The size of the score matrices alone is computed as well.

    .venv/bin/python benchmarks/esrt_attention_memory.py --write esrt_attention_memory
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch
from record import circumstances, write
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from sparsesr.lab.nn.esrt import ESRT, ESRTConfig
from sparsesr.lab.nn.layers.efficient_attention import EfficientAttention

MIB = 2**20
FORMS = {
    "full attention, materialised": (1, True),
    "efficient attention, materialised": (4, True),
    "full attention, lean": (1, False),
    "efficient attention, lean": (4, False),
}
CLAIMED_BATCH = 16


def allocated_peak(step: Any) -> int:
    """Peak bytes allocated while ``step`` runs, in addition to those allocated before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = profiler.profiler.kineto_results.experimental_event_tree()
    sizes: list[tuple[int, int]] = []
    while events:
        event = events.pop()
        events.extend(event.children)
        if event.tag.name == "Allocation":
            sizes.append((event.start_time_ns, event.typed[1].alloc_size))
    live = peak = 0
    for _, size in sorted(sizes, key=lambda each: each[0]):
        live += size
        peak = max(peak, live)
    return peak


def training_step(segments: int, materialised: bool, batch: int, patch: int) -> Any:
    """One step of the whole network at x4: forward, L1 loss, backward."""
    torch.manual_seed(0)
    network = ESRT(ESRTConfig(scale=4, segments=segments))
    for part in network.modules():
        if isinstance(part, EfficientAttention):
            part.materialised = materialised
    image, target = torch.rand(batch, 3, patch, patch), torch.rand(batch, 3, 4 * patch, 4 * patch)

    def step() -> None:
        functional.l1_loss(network(image), target).backward()

    return step


def score_bytes(tokens: int, segments: int, batch: int, heads: int = 8) -> int:
    """Bytes of one copy of all score matrices of a batch."""
    return 4 * batch * heads * segments * (tokens // segments) ** 2


def measure(batches: list[int], patch: int) -> dict[str, Any]:
    """Peaks per kind of attention and batch size, the line through them, and its value at batch 16."""
    rows: dict[str, Any] = {}
    for name, (segments, materialised) in FORMS.items():
        peaks = [allocated_peak(training_step(segments, materialised, batch, patch)) for batch in batches]
        per_sample = (peaks[-1] - peaks[0]) / (batches[-1] - batches[0])
        constant = peaks[0] - per_sample * batches[0]
        off = max(abs(constant + per_sample * b - p) / p for b, p in zip(batches, peaks, strict=True))
        scores = score_bytes(patch**2, segments, CLAIMED_BATCH)
        rows[name] = {
            "measured_mib": {str(b): round(p / MIB, 1) for b, p in zip(batches, peaks, strict=True)},
            "per_sample_mib": round(per_sample / MIB, 1),
            "off_the_line": round(off, 5),
            "batch16_mib": round((constant + CLAIMED_BATCH * per_sample) / MIB),
            "one_score_tensor_at_batch16_mib": round(scores / MIB) if materialised else 0,
        }
        print(name, rows[name], flush=True)
    full, efficient = rows["full attention, materialised"], rows["efficient attention, materialised"]
    ratio = full["batch16_mib"] / efficient["batch16_mib"]
    print(f"full / efficient at batch 16: {ratio:.2f} (claimed: {16_057 / 4_191:.2f})")
    return {"patch": patch, "scale": 4, "torch": torch.__version__, "forms": rows, "ratio": round(ratio, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 3], help="at least two, ascending")
    parser.add_argument("--patch", type=int, default=48, help="side of the LR patches, pixels")
    parser.add_argument("--write", metavar="NAME", help="write results/NAME.json")
    arguments = parser.parse_args()
    result = measure(arguments.batches, arguments.patch)
    if arguments.write:
        command = "benchmarks/esrt_attention_memory.py " + " ".join(sys.argv[1:])
        write(arguments.write, {**circumstances(command), **result})


if __name__ == "__main__":
    main()
