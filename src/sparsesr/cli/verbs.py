"""The verbs: names, one line of help each, and where the code is. Plain data, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """A command, or a group of commands."""

    name: str
    summary: str
    module: str = ""
    """Module that holds a typer-style function ``run``; "" for a group."""
    function: str = "run"
    aliases: tuple[str, ...] = ()
    commands: tuple[Verb, ...] = ()
    """Of a group."""


_MODELS = (
    Verb("list", "all models that have a name", "sparsesr.cli.models", "list_all"),
    Verb("show", "what a model file says about itself", "sparsesr.cli.models", "show"),
    Verb("verify", "read models completely and check every value", "sparsesr.cli.models", "verify"),
    Verb("measure", "measure what bf16 costs a model, and record it", "sparsesr.cli.measure_model"),
    Verb("import", "convert a checkpoint of a known network (needs [train])", "sparsesr.cli.import_model"),
)

VERBS = (
    Verb("upscale", "enlarge pictures", "sparsesr.cli.upscale", aliases=("up",)),
    Verb("mask", "show where the network worked and what skipping saved", "sparsesr.cli.mask"),
    Verb("models", "list, show, verify, measure and import models", commands=_MODELS),
    Verb("eval", "measure quality on a folder of reference pictures", "sparsesr.cli.evaluate"),
    Verb("bench", "time a model here: dense, sparse, and beside other runtimes", "sparsesr.cli.bench"),
    Verb("doctor", "what this machine and this installation can do", "sparsesr.cli.doctor"),
    Verb("train", "train a network as a recipe says (needs [train])", "sparsesr.cli.train"),
    Verb("export", "turn a trained network into a model file (needs [train])", "sparsesr.cli.export"),
)


def find(verbs: tuple[Verb, ...], name: str) -> Verb | None:
    """The verb of that name or alias."""
    return next((verb for verb in verbs if name == verb.name or name in verb.aliases), None)


def help_text(prog: str, verbs: tuple[Verb, ...], about: str) -> str:
    """What ``--help`` prints for a list of verbs."""
    labels = [", ".join((verb.name, *verb.aliases)) for verb in verbs]
    width = max(map(len, labels))
    table = "\n".join(
        f"  {label:<{width}}  {verb.summary}" for label, verb in zip(labels, verbs, strict=True)
    )
    more = f"`{prog} COMMAND --help` tells more; --debug shows tracebacks."
    return f"Usage: {prog} COMMAND ...\n\n{about}\n\nCommands:\n{table}\n\n{more}\n"
