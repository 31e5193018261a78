"""The [local] table: the socket at which programs on this machine ask for their tokens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from rotator.local.listening import LocalSettings
from rotator.settings.places import AbsolutePath
from rotator.settings.types import Section, _Read, any_of, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "tokens.sock"

MODES = ("0600", "0660", "0666")


class LocalMode(_Read):
    """Permission bits of the socket: whoever may write to it may connect. Who gets a token is another question."""

    def read(self, value: Any) -> int:
        """The bits."""
        if not isinstance(value, str) or value not in MODES:
            raise refuse(any_of(tuple(f'"{mode}"' for mode in MODES)))
        return int(value, 8)

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  the base's signature
        """See `_Read`."""
        return {"type": "string", "enum": list(MODES)}


class Local(Section):
    """The socket for sinks of type socket."""

    socket: AbsolutePath | None = Field(
        None, description="Its path; left out: tokens.sock in the runtime directory, such as /run/rotator."
    )
    mode: Annotated[int, LocalMode()] = Field(
        "0666", validate_default=True, description="Who may connect; who gets a token is said by the sinks."
    )


def place(section: Local, environ: Mapping[str, str], state: Path) -> LocalSettings:
    """Where the socket stands: as configured, else as systemd, root or XDG have it; in the state directory at last.

    Args:
        section: What is configured.
        environ: The process's environment.
        state: The state directory, in which only rotator's own user finds it.
    """
    return LocalSettings(section.socket or _runtime_dir(environ, state) / NAME, section.mode)


def _runtime_dir(environ: Mapping[str, str], state: Path) -> Path:
    if environ.get("RUNTIME_DIRECTORY"):
        return Path(environ["RUNTIME_DIRECTORY"].partition(":")[0])
    if os.geteuid() == 0:
        return Path("/run/rotator")
    return Path(environ["XDG_RUNTIME_DIR"]) / "rotator" if environ.get("XDG_RUNTIME_DIR") else state
