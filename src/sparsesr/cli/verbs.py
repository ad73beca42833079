"""The verbs: name, one-line summary and module of each. Plain data, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """A command, or a group of commands."""

    name: str
    summary: str
    module: str = ""
    """Module of the typer-style function; "" for a group."""
    function: str = "run"
    aliases: tuple[str, ...] = ()
    commands: tuple[Verb, ...] = ()
    """Commands of a group."""


_MODELS = (
    Verb("list", "list bundled models and your own", "sparsesr.cli.models", "list_all"),
    Verb("show", "show the description of a model", "sparsesr.cli.models", "show"),
    Verb("verify", "read models completely and check every value", "sparsesr.cli.models", "verify"),
    Verb(
        "measure",
        "measure the cost of bf16 and int8 for a model, and record it",
        "sparsesr.cli.measure_model",
    ),
    Verb("quantize", "find the scales that a model needs for int8", "sparsesr.cli.quantize_model"),
    Verb("calibrate", "measure what each effort gains, for budgets", "sparsesr.cli.calibrate_model"),
    Verb("import", "convert a checkpoint of a known network (needs [train])", "sparsesr.cli.import_model"),
    Verb("export", "write a model as ONNX for other programs (needs [onnx])", "sparsesr.cli.export_onnx"),
)

VERBS = (
    Verb("upscale", "upscale images", "sparsesr.cli.upscale", aliases=("up",)),
    Verb("batch", "upscale folders with several processes, or on a Ray cluster", "sparsesr.cli.batch"),
    Verb("pipe", "upscale images from another program, with the model loaded once", "sparsesr.cli.pipe"),
    Verb("serve", "a page and an API on this machine (needs [serve])", "sparsesr.cli.serve"),
    Verb("video", "upscale a video; sound and the rest are kept (needs [video])", "sparsesr.cli.video"),
    Verb("mask", "show active pixels and the work saved by skipping", "sparsesr.cli.mask"),
    Verb(
        "models",
        "list, show, verify, measure, quantize, calibrate, import and export models",
        commands=_MODELS,
    ),
    Verb("eval", "measure quality on folders of reference images", "sparsesr.cli.evaluate"),
    Verb("bench", "time a model: dense, sparse, and in other runtimes", "sparsesr.cli.bench"),
    Verb("doctor", "report CPU features, kernels, versions and problems", "sparsesr.cli.doctor"),
    Verb("train", "train a network from a recipe (needs [train])", "sparsesr.cli.train"),
    Verb(
        "duplicates",
        "find training images that occur in evaluation sets, too (needs [train])",
        "sparsesr.cli.duplicates",
    ),
    Verb("search", "search for an architecture from a recipe (needs [train])", "sparsesr.cli.search"),
    Verb("prune", "keep k weights of every block and fine-tune (needs [train])", "sparsesr.cli.prune"),
    Verb("classify", "classify small images with early exits (needs [train])", "sparsesr.cli.classify"),
    Verb("export", "convert a checkpoint to a model file (needs [train])", "sparsesr.cli.export"),
)


def find(verbs: tuple[Verb, ...], name: str) -> Verb | None:
    """The verb of that name or alias."""
    return next((verb for verb in verbs if name == verb.name or name in verb.aliases), None)


def help_text(prog: str, verbs: tuple[Verb, ...], about: str) -> str:
    """Help text for a list of verbs."""
    labels = [", ".join((verb.name, *verb.aliases)) for verb in verbs]
    width = max(map(len, labels))
    table = "\n".join(
        f"  {label:<{width}}  {verb.summary}" for label, verb in zip(labels, verbs, strict=True)
    )
    more = f"See `{prog} COMMAND --help` for details; --debug shows tracebacks."
    return f"Usage: {prog} COMMAND ...\n\n{about}\n\nCommands:\n{table}\n\n{more}\n"
