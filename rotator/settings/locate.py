"""Where in a TOML text a key stands, for messages. tomllib does the parsing; this only finds lines again."""

from __future__ import annotations

import re
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys of tables and indexes of arrays, from the root."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"^\s*\[(\[)?\s*({_KEY})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"^\s*({_KEY})\s*=")
_QUOTES = ('"""', "'''")


def lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table header and every assigned key.

    A key inside an inline table or an array of several lines has none of its own: look up its parents.
    """
    found: dict[Path, int] = {}
    arrays: dict[Path, int] = {}
    table: Path = ()
    until = ""
    for number, line in enumerate(text.splitlines(), 1):
        if until:
            until = "" if until in line else until
        elif header := _HEADER.match(line):
            table = _resolve(_parts(header[2]), arrays)
            if header[1]:
                arrays[table] = arrays.get(table, -1) + 1
                table = (*table, arrays[table])
            found.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            found.setdefault((*table, *_parts(assignment[1])), number)
            until = next((quote for quote in _QUOTES if line.count(quote) == 1), "")
    return found


def line_of(found: dict[Path, int], path: Path) -> int | None:
    """The line of a key, or of the nearest thing around it; None when nothing around it is in the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in found:
            return found[path[:length]]
    below = [line for key, line in found.items() if key[: len(path)] == path]
    return min(below, default=None)


def _parts(key: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in re.findall(_PART, key))


def _resolve(parts: Path, arrays: dict[Path, int]) -> Path:
    """A header's path with the index of each array of tables on the way; not of the last part itself."""
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in arrays:
            path = (*path, arrays[path])
    return (*path, parts[-1])
