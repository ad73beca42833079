"""Check that an environment without torch holds the whole package, and that all of it but the lab can be imported.

Run as ``check_no_torch.py SOURCE``, the folder that holds the package's source.
"""

from __future__ import annotations

import filecmp
import importlib
import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("torch") is not None:
    sys.exit("error: torch is installed in this environment, which must not contain it")

import sparsesr

source, installed = Path(sys.argv[1]) / "sparsesr", Path(sparsesr.__file__).parent
if not installed.is_relative_to(sys.prefix):
    sys.exit(f"error: sparsesr was imported from {installed}, not from the environment")

files = [
    path.relative_to(source)
    for path in sorted(source.rglob("*"))
    if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".so", ".pyd")
]
_, different, missing = filecmp.cmpfiles(source, installed, files, shallow=False)
if different or missing:
    sys.exit(f"error: missing in the wheel: {missing}; different from the source: {different}")

modules = [
    ".".join(("sparsesr", *path.with_suffix("").parts)).removesuffix(".__init__")
    for path in files
    if path.suffix == ".py" and path.parts[0] != "lab" and path.name != "__main__.py"
]
without = []
for module in modules:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:  # of an extra that this environment does not have
        if (error.name or "").partition(".")[0] in ("sparsesr", "torch"):
            raise
        without.append(f"{module} ({error.name})")
if "sparsesr.lab" in sys.modules:
    sys.exit("error: a module outside the lab imports the lab")
print(
    f"no torch; sparsesr {sparsesr.__version__} from {installed}: {len(files)} files are those of the source,"
    f" {len(modules) - len(without)} modules can be imported; not installed: {', '.join(without) or 'nothing'}"
)
