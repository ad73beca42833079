"""Count the instructions of fixed kernel runs and compare them with the committed figures.

    .ci/instruction_counts.py PROGRAM [--update]

PROGRAM is ``instruction_counts`` from native/bench. Counts, unlike times, do not depend on the load of the machine.
The scalar and AVX2 kernels are counted by valgrind (callgrind), which does not support AVX-512; the AVX-512 kernels
are single-stepped on the processor itself, if it has their instructions and processes may be traced.

With the compiler of the figures (same name and major version) a count may be 2 % above its figure; with another one
25 %, since compilers unroll and spill differently. ``--update`` writes new figures: use it after an intended change
of a kernel, and explain in the commit why a count rose. Figures of instruction sets that the processor lacks stay.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[1] / "native" / "bench" / "instruction_counts.json"
TOLERANCE, TOLERANCE_OTHER_COMPILER = 0.02, 0.25
RUNS = (
    "conv3x3_64_64_rows",
    "conv3x3_64_64_list",
    "conv1x1_64_64_rows",
    "conv3x3_3_64_rows",
    "conv3x3_64_12_rows",
    "conv3x3_24_9_list",
    "balanced3x3_64_64_rows",
    "balanced3x3_64_64_list",
)
INT8_RUNS = ("int8_conv3x3_64_64_rows", "int8_conv3x3_32_32_rows")
EMULATED = {"scalar": RUNS, "avx2": (*RUNS, *INT8_RUNS)}
STEPPED = {"avx512": RUNS, "avx512_vnni": INT8_RUNS}


def main() -> int:
    """Return exit status 0 if no count exceeds its figure by more than the tolerance."""
    program, *flags = sys.argv[1:]
    if flags not in ([], ["--update"]):
        sys.exit(f"usage: {__doc__.splitlines()[2].strip() if __doc__ else ''}")
    compiler = output_of([program, "compiler"]).strip()
    counts = count_all(program)
    figures = json.loads(FIGURES.read_text())
    if flags:
        counts = with_others(counts, figures, compiler)
        FIGURES.write_text(json.dumps({"compiler": compiler, "counts": counts}, indent=1) + "\n")
        print(f"{len(counts)} figures written to {FIGURES.name} ({compiler})")
        return 0
    return compare(counts, figures, compiler)


def count_all(program: str) -> dict[str, int]:
    """Instruction counts by "run instruction_set"."""
    if shutil.which("valgrind") is None:
        sys.exit("error: valgrind is missing (Debian: apt install valgrind)")
    counts = {f"{run} {isa}": emulate(program, run, isa) for isa, runs in EMULATED.items() for run in runs}
    for isa, runs in STEPPED.items():
        for run in runs:
            steps = step(program, run, isa)
            if steps is None:
                break
            counts[f"{run} {isa}"] = steps
    return counts


def emulate(program: str, run: str, isa: str) -> int:
    """Count under callgrind, inside the measured function only."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    report = output_of([*command, "--toggle-collect=sparsesr_measured_run", program, run, isa])
    found = re.search(r"Collected : (\d+)", report)
    if found is None or found.group(1) == "0":
        sys.exit(f"error: callgrind counted nothing for {run} {isa}:\n{report}")
    return int(found.group(1))


def step(program: str, run: str, isa: str) -> int | None:
    """Count on the processor; None, with the reason printed, if that is not possible."""
    done = subprocess.run([program, "step", run, isa], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"not counted: {isa} ({done.stderr.strip()})")
        return None
    return int(done.stdout)


def output_of(command: list[str]) -> str:
    """Return standard output and error of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def with_others(counts: dict[str, int], figures: dict, compiler: str) -> dict[str, int]:
    """The counts, and the present figures of instruction sets that this processor lacks."""
    names = [f"{run} {isa}" for isa, runs in {**EMULATED, **STEPPED}.items() for run in runs]
    others = {
        name: figures["counts"][name] for name in names if name not in counts and name in figures["counts"]
    }
    if others and family(compiler) != family(figures["compiler"]):
        sys.exit(
            f"error: {compiler} cannot count all that {figures['compiler']} has; use that, or another processor"
        )
    known = {**others, **counts}
    return {name: known[name] for name in names if name in known}


def compare(counts: dict[str, int], figures: dict, compiler: str) -> int:
    """Print all counts with their figures; return 1 if a count is too high."""
    same = family(compiler) == family(figures["compiler"])
    tolerance = TOLERANCE if same else TOLERANCE_OTHER_COMPILER
    print(f"{compiler}; figures of {figures['compiler']}; tolerance {tolerance:.0%}")
    worse = 0
    for name, count in counts.items():
        figure = figures["counts"].get(name)
        if figure is None:
            sys.exit(f"error: no figure for {name}; make instruction-counts ARGS=--update")
        change = count / figure - 1
        verdict = (
            "WORSE" if change > tolerance else "better; update the figure" if change < -tolerance else ""
        )
        worse += change > tolerance
        print(f"{name:<35} {count:>12,} {change:+8.2%}  {verdict}".rstrip())
    if worse:
        print(f"error: {worse} counts rose; if that is intended: make instruction-counts ARGS=--update")
    return 1 if worse else 0


def family(compiler: str) -> str:
    """``GCC 12`` of ``GCC 12.2.0``."""
    return compiler.partition(".")[0]


if __name__ == "__main__":
    sys.exit(main())
