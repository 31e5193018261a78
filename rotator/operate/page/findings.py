"""What is wrong, in a sentence each, the worst first: what somebody who was woken up wants to read before all else.

Credentials that fail for the same reason make one finding: an outage of a provider is one thing, and not three hundred.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core import expiry
from rotator.core.model import rfc3339
from rotator.core.observation import NEVER, Stage
from rotator.operate.durations import span
from rotator.operate.page.query import Query
from rotator.operate.page.words import Instant, instant, relative, several
from rotator.operate.redaction import redact_text
from rotator.operate.status import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rotator.core.errors import Code
    from rotator.core.expiry import SecretEnd
    from rotator.core.model import Moment
    from rotator.operate.status import CredentialStatus, Status, Trouble, VaultStatus

NAMED = 5
"""Credentials that a finding names; its link leads to all of them."""

SEVERITY = tuple(State)
"""The states, the worst first."""

FAILS = {
    Stage.READ: ("cannot read its client credentials", "cannot read their client credentials"),
    Stage.GRANT: ("gets no token", "get no token"),
    Stage.VERIFY: ("gets no usable token", "get no usable token"),
    Stage.DELIVER: ("cannot be delivered", "cannot be delivered"),
}
"""What fails at each stage, of one credential and of several."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        state: How bad it is: as a credential in this state is.
        until: Until when the first consumers are served, on the elapsed clock; NEVER when one holds no token.
        headline: The whole in one or two sentences.
        code: Of docs/errors.md; empty when no error has one.
        why: What the code means.
        found: What rotator met with, of the most urgent credential.
        since: When it began; None when that is not known.
        served: Until when the first consumers hold a good token, or since when they do not; None when nobody knows.
        cure: What to do.
        following: When rotator tries again by itself; None when nothing is planned.
        names: The credentials that it hits, the most urgent first; not all of them.
        hit: How many it hits.
        query: Shows all of them.
    """

    state: State
    until: float
    headline: str
    code: str = ""
    why: str = ""
    found: str = ""
    since: Instant | None = None
    served: Instant | None = None
    cure: str = ""
    following: Instant | None = None
    names: tuple[str, ...] = ()
    hit: int = 0
    query: Query | None = None


def findings(status: Status) -> list[Finding]:
    """Everything that is wrong with one rotator, the worst first; empty when nothing is."""
    found = [*_stopped(status), *_of_credentials(status), *_vault(status), *_reload(status)]
    found += _secrets(status.credentials, status.now)
    return sorted(found, key=lambda finding: (SEVERITY.index(finding.state), finding.until))


def finding(one: CredentialStatus, now: Moment) -> Finding | None:
    """What is wrong with one credential."""
    return next(_secrets([one], now), None) if one.state is State.FRESH else _of_group([one], now)


def urgency(credential: CredentialStatus) -> tuple[int, float, str]:
    """Sorts credentials: the worst state first, then whose consumers are served the shortest."""
    return SEVERITY.index(credential.state), credential.served_until, credential.name


def _stopped(status: Status) -> Iterator[Finding]:
    if not status.faults:
        return
    now = status.now
    served = [one.served_until for one in status.credentials if one.served_until > now.elapsed]
    first = min(served, default=None)
    lasts = "" if first is None else f" Consumers are served for {span(first - now.elapsed)} more."
    yield Finding(
        State.EXPIRED,
        NEVER,  # nothing is worse
        f"rotator itself has stopped making progress: {status.faults[0]}.{lasts}",
        why=" ".join(f"{fault}." for fault in status.faults[1:]),
        served=None if first is None else instant(first, now),
        cure="Restart the process: it takes over the tokens that the sinks hold, and mints none that is still fresh.",
    )


def _of_credentials(status: Status) -> Iterator[Finding]:
    groups: dict[tuple[object, ...], list[CredentialStatus]] = defaultdict(list)
    for one in status.credentials:
        if one.state is not State.FRESH:
            groups[_cause(one)].append(one)
    for group in groups.values():
        group.sort(key=urgency)
        yield _of_group(group, status.now)


def _of_group(group: list[CredentialStatus], now: Moment) -> Finding:
    trouble = group[0].worst
    return _waiting(group, now) if trouble is None else _failing(group, trouble, now)


def _cause(one: CredentialStatus) -> tuple[object, ...]:
    """What the credentials of one finding have in common."""
    trouble = one.worst
    if trouble is None:
        return (one.state,)
    # Whose fault it is: the provider's own; or Vault's or the machine's, whichever provider the credential is of.
    provider = one.provider if trouble.stage in {Stage.GRANT, Stage.VERIFY} else None
    return trouble.code, trouble.stage, provider


def _failing(group: list[CredentialStatus], trouble: Trouble, now: Moment) -> Finding:
    runs = [one.worst for one in group if one.worst is not None]
    since = min(run.since for run in runs)
    fails = FAILS[trouble.stage][len(group) > 1]
    head = f"{_subject(group)} {fails}: {trouble.code.text}, for {span(now.elapsed - since)}."
    detail = redact_text(trouble.detail)
    # The detail of one stands for those of all; that it does is said.
    whose = f"{group[0].name}: " if len(group) > 1 and detail else ""
    return Finding(
        group[0].state,
        group[0].served_until,
        f"{head} {_served(group, now)}",
        code=trouble.code.text,
        why=trouble.code.meaning,
        found="" if detail == trouble.code.meaning else f"{whose}{detail}",
        since=instant(since, now),
        served=instant(group[0].served_until, now),
        cure=trouble.code.cure,
        following=instant(min(run.next_attempt for run in runs), now),
        names=tuple(one.name for one in group[:NAMED]),
        hit=len(group),
        query=_query(group, trouble),
    )


def _waiting(group: list[CredentialStatus], now: Moment) -> Finding:
    """Not served, although nothing has failed: at the very beginning, or just before the attempt."""
    state = group[0].state
    one = len(group) == 1
    if state is State.PENDING:
        head = f"{_subject(group)} {'is' if one else 'are'} not yet minted or delivered; nothing has failed."
        cure = "Nothing, for a minute or two after the start. After that, see whether the provider's gate lets them by."
    else:
        head = f"{_subject(group)} {'has' if one else 'have'} no good token, and no attempt has failed yet."
        cure = "Nothing yet: a token is asked for as soon as the provider's gate lets it by."
    return Finding(
        state,
        group[0].served_until,
        head if state is State.PENDING else f"{head} {_served(group, now)}",
        served=instant(group[0].served_until, now),
        cure=cure,
        following=instant(max(now.elapsed, min(one.next_mint.at for one in group)), now),
        names=tuple(one.name for one in group[:NAMED]),
        hit=len(group),
        query=Query(state=state),
    )


def _subject(group: list[CredentialStatus]) -> str:
    if len(group) <= 2:  # noqa: PLR2004  two names still fit into a sentence
        return several([one.name for one in group], len(group))
    providers = {one.provider for one in group}
    return f"{len(group)} credentials" + (f" of {providers.pop()}" if len(providers) == 1 else "")


def _served(group: list[CredentialStatus], now: Moment) -> str:
    """How long consumers are still safe, of a group that is sorted by urgency."""
    cut_off = [one for one in group if one.served_until <= now.elapsed]
    safe = min((one.served_until for one in group if one.served_until > now.elapsed), default=None)
    if not cut_off:
        return f"Consumers are safe for {span((safe or now.elapsed) - now.elapsed)} more{_whose(group)}."
    if len(group) == 1:
        return _cut_off(cut_off[0], now)
    if safe is None:
        return "Their consumers hold no good token."
    whose = cut_off[0].name if len(cut_off) == 1 else str(len(cut_off))
    return f"Consumers of {whose} hold no good token; the others are safe for {span(safe - now.elapsed)} more."


def _whose(group: list[CredentialStatus]) -> str:
    return f", those of {group[0].name} the shortest" if len(group) > 1 else ""


def _cut_off(one: CredentialStatus, now: Moment) -> str:
    if one.served_until == NEVER:
        held = any(sink.token is not None for sink in one.sinks)
        return "Some consumers hold no token." if held else "Its consumers hold no token."
    return f"Consumers have held an expired token for {span(now.elapsed - one.served_until)}."


def _query(group: list[CredentialStatus], trouble: Trouble) -> Query:
    """The list of a finding's credentials, or the one in detail."""
    if len(group) == 1:
        return Query(name=group[0].name)
    providers = {one.provider for one in group}
    return Query(q=trouble.code.text, provider=providers.pop() if len(providers) == 1 else "")


def _vault(status: Status) -> Iterator[Finding]:
    """Each Vault, unless a credential already fails for its sake."""
    for one in (status.vault, *status.vaults):
        code = one.trouble
        if code is not None and all(code is not trouble.code for trouble in _troubles(status.credentials)):
            yield _of_vault(one, code, status)


def _of_vault(one: VaultStatus, code: Code, status: Status) -> Finding:
    served = min((one.served_until for one in status.credentials), default=NEVER)
    lasts = f" Consumers are safe for {span(served - status.now.elapsed)} more." if served > status.now.elapsed else ""
    which = f"Vault {one.name}" if one.name else "Vault"
    return Finding(
        State.FAILING,
        served,
        f"{which} cannot be used: {code.text}.{lasts}",
        code=code.text,
        why=code.meaning,
        found=redact_text(one.detail),
        served=instant(served, status.now),
        cure=code.cure,
    )


def _troubles(credentials: Iterable[CredentialStatus]) -> Iterator[Trouble]:
    for one in credentials:
        if one.worst is not None:
            yield one.worst


def _secrets(credentials: Iterable[CredentialStatus], now: Moment) -> Iterator[Finding]:
    """Client secrets that end soon, or have ended: one finding for each of `expiry.DAYS`, the nearest first."""
    ends: dict[int, list[tuple[SecretEnd, str]]] = defaultdict(list)
    for one in credentials:
        within = None if one.secret is None else one.secret.within(now.wall)
        if one.secret is not None and within is not None:
            ends[within].append((one.secret, one.name))
    for within, found in sorted(ends.items()):
        found.sort(key=lambda end: (end[0].at, end[1]))
        yield _of_secrets(found, within, now)


def _of_secrets(found: list[tuple[SecretEnd, str]], within: int, now: Moment) -> Finding:
    (first, name), several_end = found[0], len(found) > 1
    left = (first.at - now.wall).total_seconds()
    if several_end:
        ends = f"end, that of {name} first" if left > 0 else f"have ended, that of {name} first"
        head = f"The client secrets of {len(found)} credentials {ends}, {relative(left)}."
    else:
        head = f"The client secret of {name} {'ends' if left > 0 else 'ended'} {relative(left)}."
    return Finding(
        State.FAILING if within <= expiry.URGENT else State.PENDING,
        math.inf,  # no consumer is hit yet
        head,
        found=f"{name}: client_secret_expires_at at its source is {rfc3339(first.at)}",
        cure=expiry.CURE,
        names=tuple(name for _, name in found[:NAMED]),
        hit=len(found),
        query=Query() if several_end else Query(name=name),
    )


def _reload(status: Status) -> Iterator[Finding]:
    if not status.reloaded:
        yield Finding(
            State.FAILING,
            math.inf,  # no consumer is hit
            "The configuration that was last offered was refused; the one before it stays in force.",
            why="The event config.rejected in the log names each key, what was found and what was wanted.",
            cure="`rotator check` names the same; mend the file and reload once more.",
        )
