"""Options that several commands share, and where the configuration is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic_core import PydanticCustomError

from rotator.settings.problems import ConfigError, Problem
from rotator.settings.secrecy import shown
from rotator.settings.types import Seconds, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rotator.operate.listening import HttpSettings

USUAL = (Path("config.toml"), Path("/etc/rotator/config.toml"))

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; else $ROTATOR_CONFIG, ./config.toml, /etc/rotator/config.toml.",
        show_default=False,
    ),
]

Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="For people, or for programs.")]


At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="PLACE",
        help="Where it listens, as http.listen has it; else as the configuration says.",
        show_default=False,
    ),
]


class UnansweredError(Exception):
    """Nobody answers, or not as rotator does; the text says where, why, and what to look at."""


class UnknownError(Exception):
    """The rotator that runs has no such credential."""


def place(at: str | None, config: Path | None, environ: Mapping[str, str]) -> HttpSettings:
    """Where the rotator listens that is asked.

    Raises:
        ConfigError: The configuration cannot be used, or none was found.
        typer.BadParameter: `at` is no place.
    """
    from rotator.settings import reach  # noqa: PLC0415  the other commands do without it

    if at is None:
        return reach.reach(find(config, environ), environ)
    try:
        return reach.named(at)
    except ValueError:
        raise typer.BadParameter("wanted unix:/run/rotator/rotator.sock or 127.0.0.1:9464", param_hint="--at") from None


def find(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The configuration file.

    Raises:
        ConfigError: None is named and none is where one usually is.
    """
    named = given or (Path(environ["ROTATOR_CONFIG"]) if environ.get("ROTATOR_CONFIG") else None)
    found = named or next((file for file in USUAL if file.exists()), None)
    if found is None:
        looked = ", ".join(str(file) for file in USUAL)
        problem = Problem(
            "",
            None,
            f"none of {looked}",
            "a configuration file",
            "name one: -c FILE, or ROTATOR_CONFIG; or: rotator demo",
        )
        raise ConfigError("the configuration", [problem])
    return found


def misnamed(what: str, names: Iterable[str], known: Iterable[str]) -> ConfigError:
    """What is raised for names on the command line that the configuration does not have.

    Args:
        what: What they should be names of.
        names: As they were given; one that is no misspelling is not repeated, for it may be a secret.
        known: Those that there are.
    """
    problems = []
    for name in names:
        near = nearest(name, known)
        found = f"no {what} {shown(name)}" if near else f"no {what} of the name that was given (not shown)"
        problems.append(Problem("", None, found, f"one of {listed(known)}", f"did you mean {near}?" if near else ""))
    return ConfigError("the command line", problems)


def seconds(text: str, option: str, least: float = 0.0, most: float = 30 * 86400.0) -> float:
    """A duration given on the command line, in seconds; with a minus before it, a negative one where `least` allows it.

    Raises:
        typer.BadParameter: It is no duration, or out of bounds.
    """
    sign = -1 if text.startswith("-") and least < 0 else 1
    try:
        return sign * Seconds(max(least, 0.0), most).read(text.removeprefix("-") if sign < 0 else text)
    except PydanticCustomError as error:
        raise typer.BadParameter(str(error).partition("\n")[0], param_hint=option) from None
