"""Checks of the kinds of arguments, so that a wrong one is named instead of failing somewhere inside."""

from __future__ import annotations

import numbers

from sparsesr.errors import Parameter, UsageError


def check_whole_numbers(**values: object) -> None:
    """Raise UsageError for a value that is neither a whole number nor None; names are those of parameters."""
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral)):
            raise _not(name, value, "a whole number")


def check_numbers(**values: object) -> None:
    """Raise UsageError for a value that is neither a number nor None; names are those of parameters."""
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
            raise _not(name, value, "a number")


def _not(name: str, value: object, what: str) -> UsageError:
    return UsageError(f"must be {what}, not {value!r}", where=Parameter(name))
