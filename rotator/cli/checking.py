"""What `check` does: the configuration alone, and with `--live` all that is around it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from rotator.cli.foreground import fleet
from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.engine.quota import NEARLY
from rotator.fleet.discovery import CURE, Discovery, shown_key
from rotator.operate import logs
from rotator.settings import packages, quotas
from rotator.settings.problems import ConfigError
from rotator.settings.startup import take
from rotator.vault.policies import Guarded, explain, missing_capabilities

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
    from pathlib import Path

    from rotator.core.model import ClientCredentials
    from rotator.fleet import Fleet, Member
    from rotator.plugged.judging import Found
    from rotator.settings.load import Loaded
    from rotator.vault.policies import Caller


TRIED = 20
"""Credentials of one [discover.NAME] that are tried, and keys that are named: there may be a hundred thousand."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    what: str
    ok: bool
    error: str | None = None
    detail: str | None = None
    cure: str | None = None


def check(file: Path, output: str, *, live: bool) -> int:
    """Check and tell; return the exit code."""
    environ = dict(os.environ)
    try:
        loaded = take(file, environ)
    except ConfigError as error:
        if output != "json":
            raise
        _print({"ok": False, "config": error.file, "problems": [problem.as_dict() for problem in error.problems]})
        return 2
    findings: list[Finding] = []
    people = Console() if output == "text" else None
    if people is not None:
        _tell_configuration(people, loaded)
    if live:
        log = logs.configure(logs.LogSettings(level="error"))
        try:
            findings = asyncio.run(_live(loaded, environ, log, people))
        finally:
            log.close()
    ok = all(finding.ok for finding in findings)
    if people is None:
        warnings = [warning.as_dict() for warning in loaded.warnings]
        checks = [asdict(finding) for finding in findings]
        told = {"ok": ok, "config": str(file), "problems": [], "warnings": warnings, "checks": checks}
        told["plugins"] = [_plugin(found) for found in packages.used(loaded.settings)]
        _print({**told, "quotas": [one.as_dict() for one in quotas.forecasts(loaded.settings)]})
    return 0 if ok else 1


def _print(document: object) -> None:
    print(json.dumps(document, indent=2))  # noqa: T201  the command's output


def _tell_configuration(people: Console, loaded: Loaded) -> None:
    count, searches = len(loaded.settings.credentials), list(loaded.settings.discover)
    told = f"{loaded.file}: {count} credential{'s' * (count != 1)}"
    told += f", and those that discover.{', discover.'.join(searches)} will find" if searches else ""
    people.print(Text.assemble(("ok    ", "green"), told), soft_wrap=True)
    for found in packages.used(loaded.settings):
        told = f"the {found.noun} {found.name} is of {found.origin}"
        people.print(Text.assemble(("ok    ", "green"), told), soft_wrap=True)
    for forecast in quotas.forecasts(loaded.settings):
        if forecast.used <= NEARLY:  # one that asks for more is a warning
            people.print(Text.assemble(("ok    ", "green"), forecast.sentence()), soft_wrap=True)
    for warning in loaded.warnings:
        people.print(Text.assemble(("warn  ", "yellow"), warning.render(str(loaded.file))), soft_wrap=True)


def _plugin(found: Found) -> dict[str, str]:
    """A plugin for a program."""
    return {
        "adds": found.noun,
        "name": found.name,
        "distribution": found.distribution,
        "version": found.version,
    }


async def _live(loaded: Loaded, environ: Mapping[str, str], log: logs.Log, people: Console | None) -> list[Finding]:
    findings = []
    clock = SystemClock()
    async with fleet(loaded, environ, log, clock) as taken:
        async for finding in _findings(taken, loaded, Discovery(taken, clock, log)):
            findings.append(finding)
            if people is not None:
                _tell(people, finding)
    return findings


def _tell(people: Console, finding: Finding) -> None:
    mark = ("ok    ", "green") if finding.ok else ("fail  ", "red")
    people.print(Text.assemble(mark, finding.what), soft_wrap=True)
    if not finding.ok:
        people.print(Text(f"      {finding.error}: {finding.detail}\n      cure: {finding.cure}"), soft_wrap=True)


async def _findings(taken: Fleet, loaded: Loaded, discovery: Discovery) -> AsyncIterator[Finding]:
    await taken.apply(loaded, start=False)
    troubles = await taken.tried()
    for name, trouble in troubles.items():
        which = f" {name}" if name else ""
        yield _finding(f"log in to Vault{which} at {taken.sessions[name].address}", trouble)
    if any(troubles.values()):
        return
    discovery.apply(loaded.settings)
    await discovery.look(start=False)
    for finding in _searched(discovery):
        yield finding
    asked: set[str] = set()
    found = [name for search in discovery.searches.values() for name in sorted(search.names.values())[:TRIED]]
    for name in sorted({*loaded.settings.credentials, *found}):
        member = taken.members[name]
        yield _finding(f"{name}: what Vault's policies allow", await _error(_allowed(member)))
        credentials: list[ClientCredentials] = []
        yield _finding(f"{name}: read the client credentials", await _error(_read(member, credentials)))
        for sink in member.sinks:
            yield _finding(f"{name}: {sink.name}", await _error(sink.check()))
        provider = member.rotation.spec.provider
        if member.consented is not None:
            # A token would use up the refresh token: what can be told without is whether there is one.
            yield _finding(f"{name}: somebody has signed in", await _error(member.consented.login()))
        elif credentials and provider not in asked:
            asked.add(provider)
            refused = await _error(member.endpoint.mint(credentials[0].attempts()[0]))
            yield _finding(f"{name}: one token from {provider}, thrown away", refused)


def _searched(discovery: Discovery) -> Iterator[Finding]:
    """What came of looking for keys."""
    for place, search in discovery.searches.items():
        count = len(search.names)
        more = f", the first {TRIED} of them tried below" if count > TRIED else ""
        told = f"discover.{place}: list {search.section.source.path}"
        found = f"{told}: {count} credential{'s' * (count != 1)}{more}"
        yield _finding(told if search.failure else found, search.failure)
        for key, why in list(search.refused.items())[:TRIED]:
            what = f"discover.{place}: the key {shown_key(key)}"
            yield Finding(what, ok=False, error="key_unusable", detail=why, cure=CURE)


async def _allowed(member: Member) -> None:
    """Each Vault is asked for itself.

    Raises:
        RotationError: VAULT_DENIED with the policy text to add; VAULT_*.
    """
    needs: dict[Caller, dict[str, tuple[str, ...]]] = {}
    for part in (member.source, *member.bare_sinks, member.store, member.asked.client_auth.signer):
        if isinstance(part, Guarded):
            needs.setdefault(part.session, {}).update(await part.needs())
    for session, needed in needs.items():
        missing = await missing_capabilities(session, needed)
        if missing:
            raise RotationError(Code.VAULT_DENIED, explain(needed, missing))


async def _read(member: Member, into: list[ClientCredentials]) -> None:
    into.append(await member.source.read())


async def _error(work: Awaitable[object]) -> RotationError | None:
    try:
        await work
    except RotationError as error:
        return error
    return None


def _finding(what: str, error: RotationError | None) -> Finding:
    if error is None:
        return Finding(what, ok=True)
    return Finding(what, ok=False, error=error.code.text, detail=error.detail, cure=error.code.cure)
