"""`make bench`: run the measurements, keep what they found, and write docs/performance.md from it.

Each finishes on its own and is kept at once, so that one can be repeated without the others. Exit code 1 when a bar is
missed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.bench.ceiling import CeilingError
from tests.bench.contender import ROOT, ContenderError
from tests.reliability import figures

RESULTS = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
HEAD = """# Performance, measured

Written by `make bench`; do not edit. The servers are real ones on loopback and share two cores with whoever is
measured, so times are good as orders of size, and ratios are what counts. Every section says how it was measured and
can be repeated with the command below its table.

"""

MEASUREMENTS = (
    "contenders",
    "files",
    "footprint",
    "scale",
)
"""The modules of this folder that measure, in the order of the page: `tests.reliability.figures.Measurement`, whose
`measure` takes a size as well; SMALL is the one of a trial, where it has one."""


def main() -> int:
    """Run what is named, or everything."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--small", action="store_true", help="see that everything works: small sizes, nothing is kept")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(MEASUREMENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(MEASUREMENTS)}")
    console = Console(highlight=False)
    held = [_measure(name, console, small=chosen.small) for name in chosen.names or MEASUREMENTS]
    if not chosen.small:
        results = figures.read(RESULTS)
        PAGE.write_text(HEAD + figures.page(results[name] for name in MEASUREMENTS if name in results))
    return 0 if all(held) else 1


def _measure(name: str, console: Console, *, small: bool) -> bool:
    module = importlib.import_module(f"tests.bench.{name.replace('-', '_')}")
    console.print(Text(f"\n{module.TITLE}", "bold"))
    if small and not hasattr(module, "SMALL"):
        console.print(Text("  has no small size", "dim"))
        return True
    before = time.perf_counter()
    try:
        with console.status("measuring"):
            found = module.measure(
                module.SEED,
                lambda text: console.print(Text(f"  {text}", "dim"), soft_wrap=True),
                module.SMALL if small else None,
            )
    except (ContenderError, CeilingError) as error:
        console.print(Text(f"  {error}", "bold red"), soft_wrap=True)
        return False
    if not small:
        command = f'make bench ARGS="{name}"'
        figures.keep(RESULTS, name, figures.taken(module, command, found, time.perf_counter() - before))
    console.print(_table(found))
    return small or all(figure.holds for figure in found)  # the figures of a trial mean nothing


def _table(found: list[figures.Figure]) -> Table:
    table = Table("measured", "bar", "found", "")
    for figure in found:
        mark = "" if not figure.bar else Text("holds", "green") if figure.holds else Text("MISSED", "bold red")
        table.add_row(Text(figure.what), Text(figure.bar), Text(figure.found), mark)
    return table


if __name__ == "__main__":
    sys.exit(main())
