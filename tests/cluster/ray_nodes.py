"""A Ray cluster of two nodes on this machine, with ports and a folder of its own; nothing of it is left behind."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

RAY = Path(sys.executable).with_name("ray")
_START_S = 120
_STARTED = re.compile("Ray runtime started")
_ADDRESS = re.compile(r"--address='([^']+)'")


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


class RayNodes:
    """Two nodes, each with one processor, that only the holder of a token can use."""

    def __init__(self) -> None:
        self._folder = Path(
            tempfile.mkdtemp(prefix="sparsesr-ray-", dir="/tmp")
        )  # paths of sockets must be short
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(self._folder),
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        ports = ["--port", str(free_port()), "--ray-client-server-port", str(free_port())]
        head = ["--head", *ports, "--include-dashboard=false", "--temp-dir", str(self._folder)]
        self.address = self._start(_ADDRESS, *head).group(1)

    def add(self) -> int:
        """Start another node; return its number."""
        self._start(_STARTED, "--address", self.address)
        return len(self._processes) - 1

    def kill(self, number: int) -> None:
        """Kill all processes of a node."""
        os.killpg(self._processes[number].pid, signal.SIGKILL)
        self._processes[number].wait()

    def close(self) -> None:
        """Kill what is left, and remove its files."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for number in self._own():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        shutil.rmtree(self._folder)

    def workers(self) -> list[int]:
        """The processes of workers of batches on all nodes."""
        return [number for number, name in self._own().items() if name.startswith(b"ray::RayWorker")]

    def _own(self) -> dict[int, bytes]:
        """Process ids and command lines of all processes that know the token, apart from this one."""
        token, found = self.environment["RAY_AUTH_TOKEN"].encode(), {}
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and token in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes()
        return found

    def _start(self, wanted: re.Pattern[str], *arguments: str) -> re.Match[str]:
        """Start a node and wait until it has printed what is wanted."""
        log = self._folder / f"node{len(self._processes)}.log"
        # It leads a group of processes, so that exactly these can be killed; `ray stop` would stop other clusters too.
        common = ["--block", "--num-cpus=1", "--disable-usage-stats", "--object-store-memory=80000000"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [RAY, "start", *common, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        deadline = time.monotonic() + _START_S
        while (found := wanted.search(log.read_text())) is None:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        return found
