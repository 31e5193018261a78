"""The [http] table: where rotator is asked how it is, and by whom it may be steered."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rotator.settings.places import File, path_fault
from rotator.settings.types import Choice, Section, _Read, refuse
from rotator.wire.addresses import is_loopback

UNIX = "unix:"
LONGEST_PORT = 65535


class Listen(_Read):
    """A unix socket, or an address and a port."""

    wanted = '"unix:/run/rotator/rotator.sock" or "127.0.0.1:9464"'

    def read(self, value: Any) -> str:
        """The text as it stands."""
        if not isinstance(value, str):
            raise refuse(self.wanted)
        if value.startswith(UNIX):
            path = value.removeprefix(UNIX)
            fault = path_fault(path) or ("" if path.startswith("/") else "it does not begin with a slash")
            if fault:
                raise refuse(self.wanted, f"the socket's path cannot be used: {fault}")
            return value
        match = re.fullmatch(r"(\[[0-9a-f:]+\]|[0-9.]+|localhost):([0-9]{1,5})", value)
        if match is None or not 0 < int(match[2]) <= LONGEST_PORT:
            raise refuse(self.wanted, "an address in figures, or localhost; then a colon and a port")
        return value

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`."""
        return {**schema, "pattern": r"^(unix:/.+|.+:[0-9]{1,5})$"}


class SocketMode(_Read):
    """Permission bits of the socket: whoever may write to it may connect."""

    def read(self, value: Any) -> int:
        """The bits."""
        if not isinstance(value, str) or value not in {"0600", "0660"}:
            raise refuse('"0600" for rotator\'s user and root, or "0660" for its group as well')
        return int(value, 8)

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  the base's signature
        """See `_Read`."""
        return {"type": "string", "enum": ["0600", "0660"]}


ACTIONS = ("reload", "rotate")
Action = Annotated[Literal["reload", "rotate"], Choice(ACTIONS)]


class Http(Section):
    """Health, metrics, status; and, where it is asked for, reload and rotate."""

    listen: Annotated[str, Listen()] | None = Field(
        None, description="Unix socket or address; left out: rotator.sock in state_dir."
    )
    socket_mode: Annotated[int, SocketMode()] = Field(
        "0600", validate_default=True, description="Who may connect to the unix socket."
    )
    public: bool = Field(False, description="Allow a listen address that other machines reach.")
    actions: tuple[Action, ...] = Field((), description="What may be asked for by POST: reload, rotate.")
    token_file: File | None = Field(
        None, description="File with the bearer that POST must show; needed for actions on an address."
    )

    @model_validator(mode="after")
    def _fit(self) -> Http:
        place = self.listen
        if place is None or place.startswith(UNIX):
            return self
        host = place.rpartition(":")[0].strip("[]")
        if not self.public and not is_loopback(host):
            raise refuse(
                "a loopback address, such as 127.0.0.1:9464",
                "public = true if other machines are meant to see health, metrics and status",
                "listen",
            )
        if self.actions and self.token_file is None:
            raise refuse(
                "token_file beside actions",
                "name a file with a bearer of your own making, or listen on a unix socket",
                "actions",
            )
        return self
