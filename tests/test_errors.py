from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import sparsesr
from sparsesr.cli.messages import option_of
from sparsesr.errors import LimitError, Parameter, UsageError, Wording

ROOT = Path(sparsesr.__file__).parent


def test_errors_hold_what_where_and_remedy():
    error = LimitError("too large", where="a.png", remedy=Wording("lower {} or raise {}", "scale", "memory"))
    assert (error.what, error.where) == ("too large", "a.png")
    assert error.asks_for("memory") and not error.asks_for("output")
    assert str(error) == "a.png: too large; lower scale or raise memory"
    assert error.line(option_of) == "a.png: too large; lower -s or raise --memory"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(again) == str(error) and type(again) is LimitError


def test_the_location_may_be_a_parameter():
    error = UsageError("must be greater than 0", where=Parameter("target_ms"))
    assert str(error) == "target_ms: must be greater than 0"
    assert error.line(option_of) == "--target-ms: must be greater than 0"
    assert option_of("recipe.init_from") == "--set init_from"
    assert option_of("max_file_bytes") == "max_file_bytes", "not on the command line"


def _texts(file: Path) -> list[str]:
    """String literals of a module, without docstrings."""
    tree = ast.parse(file.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
    ]


@pytest.mark.parametrize("room", sorted(path.name for path in ROOT.iterdir() if path.is_dir()))
def test_only_the_command_line_names_options(room):
    if room == "cli":
        return
    option = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-[fijnoqrs])(?![\w-])")
    found = {
        str(file.relative_to(ROOT)): text
        for file in (ROOT / room).rglob("*.py")
        for text in _texts(file)
        if option.search(text)
    }
    assert not found
