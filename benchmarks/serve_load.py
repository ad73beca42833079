"""Load on ``sparsesr serve``: parallel clients that upload one image again and again, over loopback.

    python benchmarks/serve_load.py photo.jpg [--clients 64] [--seconds 60] [--memory 1GB] [--write NAME]

A client that is told to come again (429) waits as long as the answer says. Every other answer but 200, and every
result that differs from the first, is an error. Memory is that of the server's process, read ten times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import record

from sparsesr.cli.options import parse_amount

_SAMPLE_S = 0.1


@dataclass
class Tally:
    statuses: Counter[str] = field(default_factory=Counter[str])
    done_s: list[float] = field(default_factory=list[float])
    """Times of requests that were answered with a result."""
    refused_s: list[float] = field(default_factory=list[float])
    results: set[bytes] = field(default_factory=set[bytes])
    resident_bytes: list[int] = field(default_factory=list[int])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", help="name of the result to write")
    chosen = parser.parse_args()
    row = asyncio.run(measure(chosen))
    print("\n".join(f"{key:<22} {value}" for key, value in row.items()))
    if chosen.write:
        print(record.write(chosen.write, {**record.circumstances(command(chosen)), **row}))


def command(chosen: argparse.Namespace) -> str:
    return (
        f"benchmarks/serve_load.py {chosen.image.name} --clients {chosen.clients} --seconds {chosen.seconds:g}"
        f" --memory {chosen.memory} --threads {chosen.threads}"
    )


async def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """Start a server, load it, and end it."""
    options = ["--port", "0", "--memory", chosen.memory, "-j", str(chosen.threads)]
    server = subprocess.Popen(
        [sys.executable, "-m", "sparsesr", "serve", *options], stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        address = re.findall(r"http://\S+", server.stderr.readline())[0]
        tally = await load(chosen, address, server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    return summary(tally, parse_amount("--memory", chosen.memory))


async def load(chosen: argparse.Namespace, address: str, server_pid: int) -> Tally:
    tally, data = Tally(), chosen.image.read_bytes()
    end = time.monotonic() + chosen.seconds
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as client:
        watching = asyncio.create_task(watch(server_pid, tally))
        await asyncio.gather(*(ask(client, data, end, tally) for _ in range(chosen.clients)))
        watching.cancel()
    return tally


async def ask(client: httpx.AsyncClient, data: bytes, end: float, tally: Tally) -> None:
    """One client."""
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            answer = await client.post("/v1/upscale?format=png", content=data)
        except httpx.HTTPError as error:
            tally.statuses[type(error).__name__] += 1
            continue
        taken = time.monotonic() - start
        tally.statuses[str(answer.status_code)] += 1
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            tally.refused_s.append(taken)
            await asyncio.sleep(min(float(answer.headers["Retry-After"]), max(end - time.monotonic(), 0)))
        elif answer.status_code == httpx.codes.OK:
            tally.done_s.append(taken)
            tally.results.add(answer.content)


async def watch(pid: int, tally: Tally) -> None:
    """Memory of the server."""
    while True:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tally.resident_bytes.append(pages * os.sysconf("SC_PAGE_SIZE"))
        await asyncio.sleep(_SAMPLE_S)


def summary(tally: Tally, memory_bytes: int) -> dict[str, Any]:
    errors = sum(count for status, count in tally.statuses.items() if status not in ("200", "429"))
    return {
        "statuses": dict(tally.statuses),
        "errors": errors + max(len(tally.results) - 1, 0),
        "p50_s": percentile(tally.done_s, 50),
        "p99_s": percentile(tally.done_s, 99),
        "refusal_p50_ms": percentile(tally.refused_s, 50, 1000),
        "refusal_p99_ms": percentile(tally.refused_s, 99, 1000),
        "peak_memory_mb": round(max(tally.resident_bytes) / 1e6),
        "memory_limit_mb": round(memory_bytes / 1e6),
    }


def percentile(values: list[float], share: float, factor: float = 1) -> float | None:
    return round(factor * float(np.percentile(values, share)), 3) if values else None


if __name__ == "__main__":
    main()
