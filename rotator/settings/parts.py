"""The configuration and its parts beside it, `conf.d/*.toml`, as one document.

A table stands whole in one file: whoever reads it there knows all that it says, and no order of files decides anything.
Of providers, vaults, credentials and discover, the tables below count for themselves, so that each may have its file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rotator.files.private import quoted
from rotator.settings import document
from rotator.settings.document import Document
from rotator.settings.problems import ConfigError, Problem, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.settings import locate

PARTS = "conf.d"
"""The directory beside the configuration."""

NAMED = ("providers", "vaults", "credentials", "discover")
"""Tables of named tables."""


def read(file: Path) -> Document:
    """Read a configuration with its parts.

    Args:
        file: The configuration. Its parts are the files `*.toml` in `conf.d` beside it, hidden ones left out.

    Raises:
        ConfigError: One of them cannot be read, or is no TOML.
    """
    whole = document.read(file)
    folder = file.absolute().parent / PARTS
    try:
        found = sorted(part for part in folder.iterdir() if part.suffix == ".toml" and not part.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return whole
    except OSError as error:
        what = f"a directory {folder} that cannot be listed: {os.strerror(error.errno or 0)}"
        raise ConfigError(
            str(file), [Problem("", None, what, "one that rotator may read", f"chmod a+rx {quoted(folder)}")]
        ) from None
    joined = _Joined(file, whole)
    if found and stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH:
        what = f"a directory {folder} in which others can put files"
        joined.problems.append(
            Problem("", None, what, "one that only its owner can change", f"chmod o-w {quoted(folder)}")
        )
    for part in found:
        joined.add(part)
    return joined.document()


class _Joined:
    """A document that parts are added to.

    Args:
        file: The configuration itself.
        whole: What it says.

    Attributes:
        problems: What is wrong with it.
    """

    def __init__(self, file: Path, whole: Document) -> None:
        self.problems = list(whole.problems)
        self._file = file
        self._lines = dict(whole.lines)
        self._files: dict[locate.Path, Path] = {}
        self._table: dict[str, Any] = {
            key: dict(value) if key in NAMED and isinstance(value, dict) else value
            for key, value in whole.table.items()
        }

    def add(self, part: Path) -> None:
        """Read a part; of what stands elsewhere as well, it is told.

        Raises:
            ConfigError: It cannot be read, or is no TOML.
        """
        read = document.read(part)
        self.problems += (replace(problem, file=str(part)) for problem in read.problems)
        taken = set()
        for path, value in _tables(read.table):
            into = self._table.setdefault(path[0], {}) if len(path) > 1 else self._table
            if isinstance(into, dict) and path[-1] not in into:
                into[path[-1]] = value
                self._files[path] = part
                taken.add(path)
            else:
                self.problems.append(self._twice(path, part, read.lines))
        self._lines |= {path: line for path, line in read.lines.items() if path[:1] in taken or path[:2] in taken}

    def document(self) -> Document:
        """All of it."""
        return Document(self._table, self._lines, tuple(self.problems), self._files)

    def _twice(self, path: tuple[str, ...], part: Path, lines: dict[locate.Path, int]) -> Problem:
        other = next((self._files[path[:n]] for n in (2, 1) if path[:n] in self._files), self._file)
        return Problem(
            dotted(path),
            lines.get(path),
            f"what stands in {other} as well",
            "each table whole in one file",
            "leave one of the two out, or give it another name",
            file=str(part),
        )


def _tables(table: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What stands in one file or in another: named tables each for itself."""
    for key, value in table.items():
        if key in NAMED and isinstance(value, dict):
            yield from (((key, name), below) for name, below in value.items())
        else:
            yield (key,), value
