"""The entry point: finds the verb, runs it, and converts errors to one line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from sparsesr import __version__
from sparsesr.cli.interrupts import Pressed, check_interrupted, exit_status, noting_interrupts
from sparsesr.cli.messages import print_error, take_debug_flag
from sparsesr.cli.streams import lost_output, prepare_streams, silence
from sparsesr.cli.training_extra import TRAINING_PACKAGES, training_extra_missing
from sparsesr.cli.verbs import VERBS, Verb, find, help_text
from sparsesr.errors import BackendError, CancelledError, SparsesrError, UsageError, unexpected
from sparsesr.extras import libvips_fault

_ABOUT = "Upscale images, computing only where there is detail:  sparsesr upscale photo.jpg"
_BROKEN_PIPE = 1
_WITHOUT_MATRICES = {"upscale"}
"""Verbs that multiply no large matrices: numpy's library for these then starts no threads as it is loaded, which takes
a third of that time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (``sys.argv`` by default) and return its exit status."""
    if arguments is None:
        prepare_streams()
    status = _status_of(list(sys.argv[1:] if arguments is None else arguments))
    lost = lost_output()
    return status if lost is None else print_error(lost)


def _status_of(given: list[str]) -> int:
    if given[:1] in (["--version"], ["-V"]):
        print(f"sparsesr {__version__}")
        return 0
    given = take_debug_flag(given)
    try:
        with noting_interrupts() as interrupted:
            return exit_status(_noticing_interrupts(given, interrupted))
    except KeyboardInterrupt:
        return print_error(_interrupted())


def _noticing_interrupts(given: list[str], interrupted: Pressed) -> int:
    try:
        return _guarded_dispatch(given, interrupted)
    except KeyboardInterrupt:
        return print_error(_interrupted())


def _interrupted() -> CancelledError:
    return CancelledError("interrupted", remedy="no incomplete files were left behind")


def _guarded_dispatch(given: list[str], interrupted: Pressed) -> int:
    try:
        return _dispatch("sparsesr", VERBS, given, _ABOUT)
    except BrokenPipeError:
        silence(sys.stdout)
        return _BROKEN_PIPE
    except SparsesrError as error:
        return print_error(error)
    except Exception as error:
        if interrupted():  # Ctrl-C during the import of a library surfaces as the library's own error
            return print_error(_interrupted())
        if isinstance(error, ModuleNotFoundError):
            return print_error(_missing_module(given, error))
        if isinstance(error, ImportError | OSError) and _is_of_pyvips(error):
            return print_error(libvips_fault(error))
        return print_error(unexpected(error))


def _is_of_pyvips(error: Exception) -> bool:
    """True if pyvips raised it. Errors of images are of its own class, so it could not load libvips."""
    from traceback import walk_tb

    return any(frame.f_globals.get("__name__") == "pyvips" for frame, _ in walk_tb(error.__traceback__))


def _missing_module(given: list[str], error: ModuleNotFoundError) -> SparsesrError:
    package = (error.name or "").split(".")[0]
    verb = " ".join(given[:2] if given[:1] == ["models"] else given[:1])
    if package in TRAINING_PACKAGES:
        return training_extra_missing(verb)
    if package == "sparsesr":
        what, remedy = f"is not part of this build ({error.name} is missing)", "reinstall sparsesr"
    else:
        what, remedy = f"the package {package} is missing", "reinstall sparsesr with pip"
    return BackendError(what, where=verb, remedy=remedy)


def _dispatch(prog: str, verbs: tuple[Verb, ...], given: list[str], about: str) -> int:
    if not given or given[0] in ("--help", "-h", "help"):
        print(help_text(prog, verbs, about), end="", file=sys.stdout if given else sys.stderr)
        return 0 if given else UsageError.exit_status
    verb = find(verbs, given[0])
    if verb is None:
        raise _unknown(prog, verbs, given[0])
    if verb.commands:
        return _dispatch(f"{prog} {verb.name}", verb.commands, given[1:], f"{verb.summary.capitalize()}.")
    return _run(f"{prog} {verb.name}", verb, given[1:])


def _unknown(prog: str, verbs: tuple[Verb, ...], name: str) -> UsageError:
    import difflib

    close = difflib.get_close_matches(name, [verb.name for verb in verbs], n=1)
    hint = f"did you mean `{prog} {close[0]}`?" if close else f"see `{prog} --help`"
    return UsageError(f"{prog} has no command {name!r}", remedy=hint)


def _run(prog: str, verb: Verb, given: list[str]) -> int:
    """Parse the options with typer and call the verb."""
    import importlib
    import os

    if verb.name in _WITHOUT_MATRICES:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    function = getattr(importlib.import_module(verb.module), verb.function)
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(function)
    command: Any = typer.main.get_command(app)
    try:
        context = command.make_context(prog, given)
    except typer.Exit as done:  # --help has been printed
        return done.exit_code
    except Exception as error:
        # typer exports only one, specific parser error; its base class is the base of all of them.
        if not isinstance(error, typer.BadParameter.__bases__):
            raise
        described = " ".join(str(getattr(error, "format_message")()).split()).rstrip(".")  # noqa: B009
        raise UsageError(described, remedy=f"see `{prog} --help`") from None
    check_interrupted()
    with context:
        return command.invoke(context) or 0
