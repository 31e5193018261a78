"""What `login` does: a person signs in once, and the refresh token is kept where the running rotator finds it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from rotator.cli import loopback, options
from rotator.cli.foreground import fleet
from rotator.core.errors import Code, RotationError
from rotator.core.model import rfc3339
from rotator.engine.clock import SystemClock
from rotator.oauth.grants import GRANTS
from rotator.oauth.refreshing import keep_sign_in
from rotator.oauth.signing_in import Asked, SignIn
from rotator.operate import logs
from rotator.settings.secret_files import UnsafeFileError, read_secret
from rotator.settings.startup import take

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.core.model import Consent, Secret
    from rotator.core.ports import Clock
    from rotator.fleet import Member
    from rotator.settings.load import Loaded
    from rotator.settings.login import Login

OK, FAILED, UNUSABLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class How:
    """How a person signs in.

    Attributes:
        device: By a code that is typed in on another device; else by a browser on this one.
        file: Holds a refresh token that was got elsewhere; None to sign in.
        timeout: Seconds to wait for the person.
    """

    device: bool
    file: Path | None
    timeout: float


def login(config: Path, name: str, how: How, output: str) -> int:
    """Sign in and keep what comes of it; the exit code.

    Raises:
        ConfigError: The configuration cannot be used, has no such credential, or none that a person has to start.
    """
    environ = dict(os.environ)
    loaded = take(config, environ)
    section = loaded.settings.credentials.get(name)
    if section is None:
        raise options.misnamed("credential", [name], loaded.settings.credentials)
    people = Console(stderr=True)
    if section.login is None or not GRANTS[section.grant].rotates:
        people.print(f"{name} has grant = {section.grant!r}, which nobody has to start", style="red")
        return UNUSABLE
    if section.grant == "device_code":
        how = replace(how, device=True)
    log = logs.configure(logs.LogSettings(level="error"))
    try:
        kept = asyncio.run(_keep(loaded, environ, name, section.login, how, log, people))
    except RotationError as error:
        told = f"{name} is not signed in: {error.code.text}: {error.detail}\n    cure: {error.code.cure}"
        people.print(Text(told), soft_wrap=True, style="red")
        return FAILED
    finally:
        log.close()
    _tell(name, section.login, kept, output)
    return OK


def _tell(name: str, section: Login, kept: Consent, output: str) -> None:
    if output == "json":
        document = {
            "credential": name,
            "path": section.path,
            "login": kept.login,
            "signed_in_at": rfc3339(kept.signed_in_at),
            "version": kept.version,
        }
        print(json.dumps(document, indent=2))  # noqa: T201  the command's output
        return
    told = f"{name} is signed in. The refresh token is at {section.path}, version {kept.version}."
    Console().print(Text.assemble(("ok    ", "green"), told), soft_wrap=True)
    Console().print("      A running rotator goes on within seconds; `rotator rotate` mints at once.", soft_wrap=True)


async def _keep(
    loaded: Loaded,
    environ: Mapping[str, str],
    name: str,
    section: Login,
    how: How,
    log: logs.Log,
    people: Console,
) -> Consent:
    clock = SystemClock()
    async with fleet(loaded, environ, log, clock) as taken:
        await taken.apply(loaded, {name}, start=False)
        trouble = (await taken.tried())[section.vault or ""]
        if trouble is not None:
            raise trouble
        member = taken.members[name]
        store = member.store
        if store is None:
            raise TypeError("the configuration has seen to it that there is a place")
        # Before anybody is asked to sign in: a path that cannot be written to is better known now.
        await store.vacant()
        try:
            async with asyncio.timeout(how.timeout):
                token = await _refresh_token(member, section, how, clock, people)
        except TimeoutError:
            raise RotationError(Code.LOGIN_REFUSED, f"nobody signed in within {how.timeout:.0f} s") from None
        return await keep_sign_in(store, token, clock.now().wall)


async def _refresh_token(member: Member, section: Login, how: How, clock: Clock, people: Console) -> Secret:
    if how.file is not None:
        try:
            return read_secret(how.file, shared=False)
        except UnsafeFileError as error:
            why = f"{error}; {error.cure}"
        raise RotationError(Code.LOGIN_REFUSED, why)
    credentials = (await member.source.read()).attempts()[0]
    sign_in = SignIn(member.server.provider, member.asked, credentials, clock)
    scope = member.asked.parameters.scope if section.scope is None else section.scope
    asked = Asked(scope, tuple(section.parameters.items()))
    if how.device:
        return await _by_device(sign_in, asked, people)
    return await _by_browser(sign_in, asked, section, people)


async def _by_browser(sign_in: SignIn, asked: Asked, section: Login, people: Console) -> Secret:
    def accept(brought: dict[str, str]) -> str | None:
        try:
            sign_in.code(began, brought)
        except RotationError as error:
            return None if "error" in brought and brought.get("state") == began.state else error.detail
        return None

    async with loopback.waiting(section.redirect_port, accept) as back:
        began = await sign_in.begin(asked, back.redirect_uri)
        people.print("Open this page and sign in:\n", style="bold")
        people.print(Text(f"  {began.url}\n"), soft_wrap=True)
        people.print(
            f"The browser then comes back to port {back.port} of this machine. If it runs elsewhere, forward the port "
            f"first: ssh -L {back.port}:127.0.0.1:{back.port} THIS-HOST",
            soft_wrap=True,
            style="dim",
        )
        brought = await back.answer()
        return await sign_in.redeem(began, sign_in.code(began, brought))


async def _by_device(sign_in: SignIn, asked: Asked, people: Console) -> Secret:
    device = await sign_in.begin_device(asked)
    people.print("Open this page, on any device, and type in the code:\n", style="bold")
    people.print(Text(f"  {device.where}\n  {device.user_code}\n"), soft_wrap=True)
    if device.directly:
        people.print(Text(f"or open {device.directly}\n"), soft_wrap=True)
    people.print(f"The code ends in {device.lifetime / 60:.0f} min.", style="dim")
    return await sign_in.poll(device)
