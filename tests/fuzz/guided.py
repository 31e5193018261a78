"""Coverage-guided fuzzing of one target in a process of its own: `python -m tests.fuzz.guided TARGET RUNS SEED COUNT`.

The inputs that really ran are counted in the file COUNT, eight bytes little-endian, which survives every way to end.
A finding ends the process with another exit code than 0, and its words with the traceback.
"""

from __future__ import annotations

import mmap
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it ships no types

with atheris.instrument_imports(include=["rotator", "json", "email"]):
    from tests.fuzz import targets

LONGEST = 4096
"""Bytes of an input."""

SLOWEST = 10
"""Seconds for one input, after which it counts as one that hangs."""


def main(target: str, runs: int, seed: int, count: Path) -> None:
    """Fuzz; does not return."""
    check = targets.TARGETS[target]
    count.write_bytes(bytes(8))
    with count.open("r+b") as file:
        counter = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")

    def one(data: bytes) -> None:
        check(data)
        counter[0] += 1

    corpus = Path(tempfile.mkdtemp(dir=count.parent))
    for number, data in enumerate(targets.seeds(target, seed)):
        (corpus / str(number)).write_bytes(data)
    options = [f"-runs={runs}", f"-seed={seed or 1}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={count.parent}/", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
