"""``sparsesr serve`` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_COMMAND = [sys.executable, "-m", "sparsesr", "serve", "--port", "0"]


@dataclass
class RunningServer:
    """A server that answers at ``address``, without a slash at its end."""

    process: subprocess.Popen[str]
    address: str

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """End it as a user would; return its exit status and what else it printed."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors

    def resident_bytes(self) -> int:
        """Its memory, read from the system."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running_server(*options: str, **environment: str) -> Generator[RunningServer, None, None]:
    """Start a server on a free port, and end it."""
    # SIGINT is ignored in background processes, and this is inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*_COMMAND, *options], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"serves (http://\S+)/", line)
        assert found, line
        yield RunningServer(process, found[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()
