"""The configuration file as text and as TOML. What it holds never gets into a message from here."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rotator.settings import locate, secret_files
from rotator.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST = 16 * 1024 * 1024
"""Bytes of one file; ten thousand credentials take a quarter of it."""

_PLACE = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)$")

_SAID = (
    ("twice", "a table twice: it stands above already", "each table once", "give one of the two another name"),
    (
        "overwrite",
        "a key or table twice: it stands above already",
        "each name once",
        "lists of tables are written [[…]]",
    ),
    ("Duplicate", "a key twice: it stands above already", "each name once", ""),
    ("mutate", "a table that was closed above", "each table once", "write all its keys in one place"),
    ("redefine", "a table that was closed above", "each table once", "write all its keys in one place"),
    ("Illegal", "a text without its closing quote, or with a control character in it", "TOML 1.0", ""),
    ("Unterminated", "a text without its closing quote", "TOML 1.0", 'texts stand in quotes: key = "text"'),
    ("Invalid value", "what is no value", "TOML 1.0", 'texts stand in quotes: key = "text"'),
)
"""What tomllib says, told by a word of it, in our own words: its own name what is in the file."""


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file.

    Attributes:
        table: What it says.
        lines: Where it says it.
        problems: Why somebody else may have written it, and the cure.
        files: Where a table stands that is in another file than the configuration itself: see `rotator.settings.parts`.
    """

    table: dict[str, Any]
    lines: dict[locate.Path, int]
    problems: tuple[Problem, ...] = ()
    files: Mapping[locate.Path, Path] = field(default_factory=dict)


def read(file: Path) -> Document:
    """Read and parse a configuration file.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """
    try:
        content, unsafe = secret_files.read_configuration(file, LARGEST)
    except secret_files.UnsafeFileError as error:
        raise ConfigError(str(file), [_owned_by_one(error)]) from None
    try:
        text = content.decode("utf-8")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem("", line, "bytes that are not UTF-8", "TOML in UTF-8")
    except ValueError as error:
        problem = _no_toml(str(error))
    except RecursionError:
        problem = Problem("", None, "values nested too deeply", "TOML 1.0")
    else:
        return Document(table, locate.lines(text), (_owned_by_one(unsafe),) if unsafe else ())
    # Not raised above: even `from None` would carry the foreign exception along, as its context, and with it the text.
    raise ConfigError(str(file), [problem])


def _owned_by_one(error: secret_files.UnsafeFileError) -> Problem:
    return Problem("", None, str(error), "a configuration file that only its owner can change", error.cure)


def _no_toml(said: str) -> Problem:
    place = _PLACE.search(said)
    known = (row[1:] for row in _SAID if row[0] in said)
    found, wanted, cure = next(known, ("what is no TOML", "TOML 1.0", ""))
    at = f", at column {place[2]}" if place else ""
    return Problem("", int(place[1]) if place else None, found + at, wanted, cure)
