"""What is wrong with a configuration, said so that a person can mend it; never with the value of a secret."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rotator.settings.secrecy import looks_random

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.settings.locate import Path


MOST_SHOWN = 50
"""Problems that a person is told of at once; programs get them all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    Attributes:
        key: The key's path: `credentials.billing.sinks[0].path`.
        line: In the configuration file, from 1; None for what is not in it.
        found: What stands there, shortened; empty when it must not be shown.
        wanted: What was expected.
        cure: What to do; empty when that is plain.
        variable: The environment variable that said it; empty for what is in the file.
        file: The part of the configuration that it is in, a file in conf.d; empty for the configuration itself.
    """

    key: str
    line: int | None
    found: str
    wanted: str
    cure: str = ""
    variable: str = ""
    file: str = ""

    def render(self, file: str) -> str:
        """The problem for a person, on a few lines."""
        file = self.file or file
        in_file = file if self.line is None else f"{file}:{self.line}"
        where = f"${self.variable}" if self.variable else in_file
        rows = [f"{where}: {self.key}" if self.key else where]
        rows += [f"    {label:<7} {text}" for label, text in (("found", self.found), ("wanted", self.wanted)) if text]
        rows += [f"    {'cure':<7} {self.cure}"] if self.cure else []
        return "\n".join(rows)

    def as_dict(self) -> dict[str, object]:
        """The problem for a program."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something between several keys: where it is best mended, what is there, what was wanted, what to do."""

    path: Path
    found: str
    wanted: str
    cure: str


class ConfigError(Exception):
    """The configuration cannot be used."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        shown = "\n".join(problem.render(file) for problem in problems[:MOST_SHOWN])
        more = f" The first {MOST_SHOWN} are above." if len(problems) > MOST_SHOWN else ""
        super().__init__(f"{shown}\n{file} was not accepted: {count}.{more}")


def dotted(path: Path) -> str:
    """`credentials.billing.sinks[0].path`; what is no bare key of TOML is quoted."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in path)
    return text.removeprefix(".")


def _key(part: str) -> str:
    if looks_random(part):
        return '"(not shown)"'  # a secret that was pasted to the left of an equals sign
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part)
