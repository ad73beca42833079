"""The entry point: finds the verb, runs it, and turns what went wrong into one line and an exit status."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

from sparsesr import __version__
from sparsesr.cli import messages
from sparsesr.cli.interrupts import Pressed, noting_interrupts
from sparsesr.cli.training_extra import TRAINING_PACKAGES, needs_training_extra
from sparsesr.cli.verbs import VERBS, Verb, find, help_text
from sparsesr.errors import CancelledError, SparsesrError

_ABOUT = "Enlarge photographs, computing only where there is detail:  sparsesr upscale photo.jpg"
_INTERNAL, _USAGE, _INTERRUPTED = 1, 2, 130
_INTERRUPTED_TEXT = "interrupted; nothing half-written was left behind"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (``sys.argv`` by default) and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["--version"], ["-V"]):
        print(f"sparsesr {__version__}")
        return 0
    given = messages.take_debug_flag(given)
    try:
        with noting_interrupts() as interrupted:
            return _guarded_dispatch(given, interrupted)
    except KeyboardInterrupt:
        return messages.failed(_INTERRUPTED_TEXT, _INTERRUPTED)


def _guarded_dispatch(given: list[str], interrupted: Pressed) -> int:
    try:
        return _dispatch("sparsesr", VERBS, given, _ABOUT)
    except BrokenPipeError:
        # The reader of our output went away. Point stdout elsewhere, or Python complains again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INTERNAL
    except SparsesrError as error:
        return messages.failed(str(error), error.exit_status)
    except Exception as error:
        if interrupted():  # Ctrl-C while a library is being imported comes out as the library's own error
            return messages.failed(_INTERRUPTED_TEXT, _INTERRUPTED)
        if isinstance(error, ModuleNotFoundError):
            return messages.failed(_missing_module(given, error), _INTERNAL)
        return messages.failed(messages.internal(error), _INTERNAL)


def _missing_module(given: list[str], error: ModuleNotFoundError) -> str:
    package = (error.name or "").split(".")[0]
    verb = " ".join(given[:2] if given[:1] == ["models"] else given[:1])
    if package in TRAINING_PACKAGES:
        return needs_training_extra(verb)
    if package == "sparsesr":
        return f"{verb}: is not part of this build ({error.name} is missing); reinstall sparsesr"
    return f"{verb}: the package {package} is missing; install sparsesr anew with pip"


def _dispatch(prog: str, verbs: tuple[Verb, ...], given: list[str], about: str) -> int:
    if not given or given[0] in ("--help", "-h", "help"):
        print(help_text(prog, verbs, about), end="", file=sys.stdout if given else sys.stderr)
        return 0 if given else _USAGE
    verb = find(verbs, given[0])
    if verb is None:
        return _unknown(prog, verbs, given[0])
    if verb.commands:
        return _dispatch(f"{prog} {verb.name}", verb.commands, given[1:], f"{verb.summary.capitalize()}.")
    return _run(f"{prog} {verb.name}", verb, given[1:])


def _unknown(prog: str, verbs: tuple[Verb, ...], name: str) -> int:
    import difflib

    close = difflib.get_close_matches(name, [verb.name for verb in verbs], n=1)
    hint = f"did you mean `{prog} {close[0]}`?" if close else f"see `{prog} --help`"
    print(f"error: {prog} has no command {name!r}; {hint}", file=sys.stderr)
    return _USAGE


def _run(prog: str, verb: Verb, given: list[str]) -> int:
    import importlib

    function = getattr(importlib.import_module(verb.module), verb.function)
    import typer

    has_returned = False

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        nonlocal has_returned
        try:
            status = function(*args, **kwargs)
        except KeyboardInterrupt:
            raise CancelledError(_INTERRUPTED_TEXT) from None
        has_returned = True
        return status

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(guarded)
    command: Any = typer.main.get_command(app)
    try:
        status = command.main(args=given, prog_name=prog, standalone_mode=False)
    except Exception as error:
        if type(error).__name__ == "Abort":  # the option parser's form of Ctrl-C
            raise KeyboardInterrupt from None
        if not hasattr(error, "format_message"):  # not one of the option parser's own
            raise
        described = " ".join(str(getattr(error, "format_message")()).split()).rstrip(".")  # noqa: B009
        print(f"error: {described}; see `{prog} --help`", file=sys.stderr)
        return _USAGE
    if (
        status == _INTERRUPTED and not has_returned
    ):  # the option parser's way to leave on Ctrl-C, without a word
        raise KeyboardInterrupt
    return status if isinstance(status, int) else 0
