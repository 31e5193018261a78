"""Options that several commands share, and where the configuration is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rotator.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

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
