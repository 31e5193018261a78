"""Run as a program: read a file a thousand times a second, as a program that reads it for every request would do.

Arguments: the file, its format. Reads until its standard input ends, then prints how often it read, and how often what
it read was torn: no token whose second half is the digest of its first.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from tests.reliability.torn_reads import is_whole

MILLISECOND = 0.001


def main() -> None:
    path, kind = Path(sys.argv[1]), sys.argv[2]
    reads, torn, last = 0, 0, b""
    print("ready", flush=True)  # noqa: T201  the answer
    while not select.select([sys.stdin], [], [], MILLISECOND)[0]:
        descriptor = os.open(path, os.O_RDONLY)
        content = os.read(descriptor, 1 << 16)
        os.close(descriptor)
        reads += 1
        if content != last:
            torn += not is_whole(kind, content)
            last = content
    print(reads, torn)  # noqa: T201  likewise


if __name__ == "__main__":
    main()
