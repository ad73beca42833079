"""Start of processes that inherit nothing and talk through a pipe."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from multiprocessing.connection import Connection

_START = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({number})"
_INTERPRETER = "python"


def start_child(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start a process that calls ``serve`` of the module with the number of its end of the pipe; return our end.

    The connection ends when the process does. OSError if it cannot be started.
    """
    ours, theirs = multiprocessing.Pipe()
    code = _START.format(path=sys.path, module=module, number=theirs.fileno())
    try:
        process = subprocess.Popen([sys.executable or _INTERPRETER, "-c", code], pass_fds=[theirs.fileno()])
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours
