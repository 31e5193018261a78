"""Where in a TOML text a key stands, for messages. tomllib does the parsing; this only finds lines again."""

from __future__ import annotations

import re
import tomllib
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys of tables and indexes of arrays, from the root."""

_STRING = r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'"
_PART = rf"[A-Za-z0-9_-]+|{_STRING}"
_KEY = rf"(?:{_PART})(?:[ \t]*\.[ \t]*(?:{_PART}))*"
_HEADER = re.compile(rf"\[(\[)?[ \t]*({_KEY})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"({_KEY})[ \t]*=")
_BLANK = re.compile(r"(?:\s|#[^\n]*)+")
_VALUE_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?!")' + rf"|'''.*?'''(?!')|{_STRING}|#[^\n]*|[\[{{]|[\]}}]|\n|[^\"'#\[\]{{}}\n]+", re.DOTALL
)


def lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table header and every assigned key.

    A key inside an inline table or an array of several lines has none of its own: look up its parents.

    Args:
        text: TOML that tomllib accepts; what it would not accept ends the search.
    """
    found: dict[Path, int] = {}
    arrays: dict[Path, int] = {}
    table: Path = ()
    position, line = 0, 1
    while position < len(text):
        if match := _BLANK.match(text, position):
            end = match.end()
        elif match := _HEADER.match(text, position):
            table = _entered(_parts(match[2]), arrays, is_array=bool(match[1]))
            found.setdefault(table, line)
            end = match.end() + len(match[1] or "")
        elif match := _ASSIGNMENT.match(text, position):
            found.setdefault((*table, *_parts(match[1])), line)
            end = _after_value(text, match.end())
        else:
            break
        line += text.count("\n", position, end)
        position = end
    return found


def line_of(found: dict[Path, int], path: Path) -> int | None:
    """The line of a key, or of the nearest thing around it; None when nothing around it is in the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in found:
            return found[path[:length]]
    below = [line for key, line in found.items() if key[: len(path)] == path]
    return min(below, default=None)


def _after_value(text: str, position: int) -> int:
    """Where the line ends in which a value ends."""
    depth = 0
    while match := _VALUE_PIECE.match(text, position):
        depth += (match[0] in {"[", "{"}) - (match[0] in {"]", "}"})
        position = match.end()
        if match[0] == "\n" and depth <= 0:
            break
    return position


def _parts(key: str) -> tuple[str, ...]:
    return tuple(tomllib.loads(f"k = {part}")["k"] if part[0] in "\"'" else part for part in re.findall(_PART, key))


def _entered(parts: tuple[str, ...], arrays: dict[Path, int], *, is_array: bool) -> Path:
    """A header's path, with the index of each array of tables on the way; `arrays` keeps the last of each."""
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in arrays:
            path = (*path, arrays[path])
    path = (*path, parts[-1])
    if is_array:
        arrays[path] = arrays.get(path, -1) + 1
        path = (*path, arrays[path])
    return path
