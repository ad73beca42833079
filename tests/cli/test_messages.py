"""Messages of the command line name options that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sparsesr
from sparsesr.cli.messages import line_of, option_of
from sparsesr.cli.verbs import VERBS
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError, LimitError, Wording
from sparsesr.jobs.files import WriteOptions, upscale_file
from sparsesr.limits import ImageLimits

SOURCES = [path for path in Path(sparsesr.__file__).parent.rglob("*.py") if "lab" not in path.parts]
LIBRARY_ONLY = {"max_pixels", "max_file_bytes"}
"""Limits of the decoder, which no command changes."""


def test_every_parameter_in_a_message_has_an_option():
    named = set()
    for path in SOURCES:
        for arguments in re.findall(
            r"Wording\(\s*f?\"(?:[^\"\\]|\\.)*\"((?:,\s*\"\w+\")+)", path.read_text("utf-8")
        ):
            named |= set(re.findall(r"\"(\w+)\"", arguments))
    assert {"memory", "overwrite", "output", "max_pixels"} <= named
    assert {name for name in named if not option_of(name).startswith("-")} <= LIBRARY_ONLY


def test_options_in_messages_are_options_of_a_command():
    import importlib

    import typer

    known = set()
    for verb in [each for group in VERBS for each in (group.commands or (group,))]:
        app = typer.Typer(add_completion=False)
        app.command()(getattr(importlib.import_module(verb.module), verb.function))
        known |= {name for parameter in typer.main.get_command(app).params for name in parameter.opts}
    for parameter in (
        "memory",
        "overwrite",
        "skip_existing",
        "output",
        "format",
        "model",
        "scale",
        "recursive",
    ):
        assert option_of(parameter) in known


def test_advice_that_no_option_can_follow_is_left_out():
    error = LimitError("is large", where="a.png", remedy=Wording("shrink it or raise {}", "max_pixels"))
    assert line_of(error) == "a.png: is large"
    assert str(error) == "a.png: is large; shrink it or raise max_pixels", "in Python it exists"
    assert line_of(InputError("exists", remedy=Wording("pass {}", "overwrite"))) == "exists; pass --overwrite"


@pytest.mark.parametrize("limit", ["max_pixels", "max_file_bytes"])
def test_jobs_do_not_name_limits_that_they_cannot_change(tmp_path, limit):
    from PIL import Image

    from support.tiny_models import photo, tiny

    Image.fromarray(photo(20, 20)).save(tmp_path / "a.png")
    few = ImageLimits(**{limit: 10})
    with pytest.raises(LimitError, match="shrink it or cut it into parts") as caught:
        upscale_file(Upscaler(tiny()), tmp_path / "a.png", None, RunOptions(), WriteOptions(), limits=few)
    assert not caught.value.asks_for(limit)
