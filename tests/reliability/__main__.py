"""`make reliability`: run the long measurements, keep what they found, and write docs/reliability.md from it.

Each finishes on its own and is kept at once, so that one can be repeated without the others. Exit code 1 when a bar is
missed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from tests.reliability import figures

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
HEAD = """# Reliability, measured

Written by `make reliability`; do not edit. Every figure can be repeated with the command below its table: the seed
decides everything that chance decides. Measured on two cores that the servers and other work share, so times are good
as orders of size; counts are exact. What each fault must lead to, and which test holds it: [faults.md](faults.md).

"""

MEASUREMENTS = (
    "availability",
    "outages",
    "recovery",
    "thirty-days",
    "kills",
    "torn-reads",
    "syscalls",
    "clocks",
    "hung-providers",
    "hostile-answers",
    "canaries",
    "fuzzing",
    "soak",
    "mutation",
    "coverage",
)
"""The modules of this folder that measure, in the order of the page."""


def main() -> int:
    """Run what is named, or everything."""
    parser = argparse.ArgumentParser(prog="make reliability", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--seed", type=int, help="instead of each measurement's own")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(MEASUREMENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(MEASUREMENTS)}")
    held = [_measure(name, chosen.seed) for name in chosen.names or MEASUREMENTS]
    results = figures.read(RESULTS)
    PAGE.write_text(HEAD + figures.page(results[name] for name in MEASUREMENTS if name in results))
    return 0 if all(held) else 1


def _measure(name: str, seed: int | None) -> bool:
    module = importlib.import_module(f"tests.reliability.{name.replace('-', '_')}")
    seed = module.SEED if seed is None else seed
    print(f"\n== {name}: {module.TITLE} (seed {seed})", flush=True)
    before = time.perf_counter()
    found = module.measure(seed, lambda text: print(f"   {text}", flush=True))
    command = f'make reliability ARGS="{name} --seed {seed}"'
    figures.keep(RESULTS, name, figures.taken(module, command, found, time.perf_counter() - before))
    for figure in found:
        print(f"   {'ok  ' if figure.holds else 'MISS'} {figure.what}: {figure.found} (bar: {figure.bar or 'none'})")
    return all(figure.holds for figure in found)


if __name__ == "__main__":
    sys.exit(main())
