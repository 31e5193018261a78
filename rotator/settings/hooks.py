"""The `after_write` of a sink: what is done when the token that it holds has changed."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field

from rotator.core.errors import Code, RotationError
from rotator.hooks.command import ENVIRONMENT, ExecHook, systemd_hook
from rotator.hooks.signalling import SignalHook
from rotator.hooks.webhook import WebhookHook
from rotator.operate.redaction import redact_text
from rotator.settings.places import AbsolutePath, UrlText, path_fault
from rotator.settings.secret_files import UnsafeFileError, read_secret
from rotator.settings.types import Choice, Seconds, Section, Text, Variable, _Read, refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.core.model import Secret
    from rotator.core.ports import Clock
    from rotator.hooks.port import Hook

SIGNALS = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH")
"""That services take for a request; not those which end a process that has not asked for them without a word."""

ACTIONS = ("reload", "restart", "try-restart", "reload-or-restart", "try-reload-or-restart", "start")
"""Commands of systemctl(1) that begin a job for a unit."""

LONGEST = 300.0
"""Seconds for one run; it takes one of the places in which hooks run."""


class Argument(_Read):
    """One part of a command, in which no secret stands: everybody on a machine reads the arguments of its processes."""

    def read(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str) or not value.isprintable() or len(value) > 4096:  # noqa: PLR2004  nobody needs more
            raise refuse("a text without line ends", hidden=True)
        if redact_text(value) != value:
            raise refuse(
                "an argument without a secret in it",
                "let the command read it from a file of mode 0600, and change it: everybody could read this one",
                hidden=True,
            )
        return value


def _absolute(command: tuple[str, ...]) -> tuple[str, ...]:
    fault = path_fault(command[0]) or ("" if command[0].startswith("/") else "it does not begin with a slash")
    if fault:
        raise refuse("a command that begins with the absolute path of a program", f"its path cannot be used: {fault}")
    return command


def _harmless(name: str) -> str:
    if name in ENVIRONMENT or name.startswith(("LD_", "ROTATOR_")):
        raise refuse("the name of a variable that nothing else is told by", 'token_env = "TOKEN"')
    return name


Command = Annotated[
    tuple[Annotated[str, Argument()], ...], Field(min_length=1, max_length=64), AfterValidator(_absolute)
]
Unit = Annotated[
    str,
    Text(
        r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,240}\.(?:service|socket|target|path|timer)",
        'a unit of systemd with its suffix, such as "app.service"',
    ),
]
Deadline = Annotated[float, Seconds(0.1, LONGEST)]


class ExecAfterWrite(Section):
    """A command, without a shell."""

    type: Literal["exec"] = Field(description="A command.")
    command: Command = Field(description="Absolute path, and arguments. No shell: nothing in it is expanded.")
    timeout: Deadline = Field(
        "10s", validate_default=True, description="Then it is ended, with all that it has started."
    )
    token_stdin: bool = Field(False, description="Give it the token as its standard input.")
    token_env: Annotated[Variable, AfterValidator(_harmless)] | None = Field(
        None, description="Give it the token in this variable; processes of the same user can read that."
    )

    def hook(self, _: Clock, *, shared: bool) -> Hook:  # noqa: ARG002  every kind's signature
        """The same as the hooks room wants it."""
        return ExecHook(self.command, self.timeout, self.token_stdin, self.token_env)


class SignalAfterWrite(Section):
    """A signal to a process."""

    type: Literal["signal"] = Field(description="A signal to the process that a pid file names.")
    pid_file: AbsolutePath = Field(description="Absolute; written by root, by rotator's user or by the process's own.")
    signal: Annotated[Literal["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"], Choice(SIGNALS)] = Field(
        "HUP", description="Which one."
    )

    def hook(self, clock: Clock, *, shared: bool) -> Hook:  # noqa: ARG002  every kind's signature
        """The same as the hooks room wants it."""
        return SignalHook(self.pid_file, signal.Signals[f"SIG{self.signal}"], clock)


class SystemdAfterWrite(Section):
    """A job for a unit of systemd."""

    type: Literal["systemd"] = Field(description="A job for a unit, by systemctl.")
    unit: Unit = Field(description="With its suffix: app.service.")
    action: Annotated[
        Literal["reload", "restart", "try-restart", "reload-or-restart", "try-reload-or-restart", "start"],
        Choice(ACTIONS),
    ] = Field("reload", description="As systemctl has it.")
    timeout: Deadline = Field("30s", validate_default=True, description="For systemctl to see the job done.")

    def hook(self, _: Clock, *, shared: bool) -> Hook:  # noqa: ARG002  every kind's signature
        """The same as the hooks room wants it."""
        return systemd_hook(self.unit, self.action, self.timeout)


class WebhookAfterWrite(Section):
    """A request to somebody who wants to know; it never carries the token."""

    type: Literal["webhook"] = Field(description="A POST of credential, sink, fingerprint and expires_at as JSON.")
    url: UrlText = Field(description="https://HOST; redirects are not followed.")
    timeout: Deadline = Field("10s", validate_default=True, description="For the whole request.")
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's.")
    bearer_file: AbsolutePath | None = Field(
        None, description="File with the bearer that it is shown; read each time, held to the same as other secrets."
    )

    def hook(self, _: Clock, *, shared: bool) -> Hook:
        """The same as the hooks room wants it."""
        return WebhookHook(self.url, self.timeout, self.ca_file, self._bearer(shared=shared))

    def _bearer(self, *, shared: bool) -> Callable[[], Secret] | None:
        return None if self.bearer_file is None else partial(_read_bearer, self.bearer_file, shared=shared)


def _read_bearer(file: Path, *, shared: bool) -> Secret:
    try:
        return read_secret(file, shared=shared)
    except UnsafeFileError as error:
        why = f"bearer_file: {error}; {error.cure}"
    raise RotationError(Code.HOOK_BEARER, why)


AfterWrite = Annotated[
    ExecAfterWrite | SignalAfterWrite | SystemdAfterWrite | WebhookAfterWrite,
    Discriminator("type"),
    Choice(("exec", "signal", "systemd", "webhook"), key="type"),
]


class Hooked(Section):
    """The keys that every sink has for what is done after a write."""

    after_write: tuple[AfterWrite, ...] = Field((), description="What to do when the token there has changed.")
    debounce: Annotated[float, Seconds(0.01, 60)] = Field(
        "1s", validate_default=True, description="From a change to what is done; further ones in it count as one."
    )

    def hooks(self, clock: Clock, *, shared: bool) -> tuple[Hook, ...]:
        """The same as the hooks room wants it.

        Args:
            clock: Time.
            shared: Whether others may read secret files.
        """
        return tuple(one.hook(clock, shared=shared) for one in self.after_write)
