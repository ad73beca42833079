"""Enlarges pictures: colour, plan, run, and what to tell people about it.

The package shares its name with the public function ``sparsesr.upscale``. Importing any module of it makes Python
set ``sparsesr.upscale`` to the package, so the package can be called like the function.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from sparsesr.upscale.upscaler import upscale

        return upscale(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
