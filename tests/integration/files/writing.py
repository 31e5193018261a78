"""Run as a program: write long tokens to one file, one after the other.

Arguments: a directory, this writer's name, how many, and `whole` or `truncating` for what other programs do.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from tests.integration.files.harness import NAME, record, sink

LENGTH = 64
"""Of the filling, in digests: about 4 KB."""


def token_name(writer: str, number: int) -> str:
    """A name that tells whether it is whole: its second half is a digest of the first."""
    filling = hashlib.sha256(f"{writer}.{number}".encode()).hexdigest() * LENGTH
    return f"{filling}.{hashlib.sha256(filling.encode()).hexdigest()}"


def is_whole(token: str) -> bool:
    parts = token.split(".")
    return len(parts) == 3 and parts[2] == hashlib.sha256(parts[1].encode()).hexdigest()


async def main() -> None:
    place, writer, many, how = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    target = sink(place)
    for number in range(many):
        new = record(token_name(writer, number), inputs=f"{writer}.{number}")
        if how == "whole":
            await target.write(new)
        else:
            (place / "out" / NAME).write_text(new.access_token.reveal())


if __name__ == "__main__":
    asyncio.run(main())
