"""How one daemon is, gathered from all its parts for whoever asks; and when it counts as ready.

What the event loop changes is copied here, in one go; what is made of it afterwards may take its time in a thread.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator import __version__
from rotator.operate import explain
from rotator.operate.status import (
    CredentialStatus,
    ProviderStatus,
    QuotaStatus,
    State,
    Status,
    VaultStatus,
    is_failing,
    of,
    served_until,
)
from rotator.settings.types import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rotator.core.model import Moment
    from rotator.core.observation import Observation, Surroundings
    from rotator.core.ports import Clock
    from rotator.engine.gate import Gate
    from rotator.engine.progress import Progress
    from rotator.engine.sentinel import Sentinel
    from rotator.fleet import Fleet, Member, Server
    from rotator.vault.session import VaultSession

SLICE = 5_000
"""Credentials that are counted in one go, while the event loop waits: it takes some 8 ms."""

MOST_NAMED = 5
"""Credentials that a reason names; there may be ten thousand."""


class Overview:
    """Looks at a fleet.

    Args:
        fleet: The credentials.
        progress: Tells what has stopped.
        sentinel: Counts the steps of the wall clock.
        clock: Time.

    Attributes:
        config: The configuration in force.
        reloaded: Whether the configuration that was last offered is that one.
        first_round: Whether every credential has been looked at once.
    """

    def __init__(self, fleet: Fleet, progress: Progress, sentinel: Sentinel, clock: Clock, config: Path) -> None:
        self.config = config
        self.reloaded = True
        self.first_round = False
        self._fleet = fleet
        self._progress = progress
        self._sentinel = sentinel
        self._clock = clock
        self._started = clock.now()

    def faults(self) -> list[str]:
        """Why it is not healthy: what has stopped. No provider, no Vault and no disk has a part in it."""
        return self._progress.faults()

    def snapshot(self) -> Snapshot:
        """What there is to know now; quick, and to be called where the event loop runs."""
        dispatcher, members = self._fleet.dispatcher, tuple(self._fleet.members.values())
        # Only references are taken for each credential: there may be a hundred thousand, and the event loop waits.
        # By their gates: while a reload waits for passes to end, the dispatcher knows their credentials no more.
        gates = {member.server.gate for member in members}
        now = self._clock.now()
        return Snapshot(
            config=str(self.config),
            now=now,
            started=self._started,
            faults=tuple(self._progress.faults()),
            reloaded=self.reloaded,
            first_round=self.first_round,
            clock_steps=self._sentinel.steps,
            vaults=tuple(self._vault(name, session) for name, session in self._fleet.sessions.items()),
            servers=tuple(self._fleet.servers.values()),
            quotas=tuple(_quota(server.gate, now.elapsed) for server in self._fleet.servers.values()),
            members=members,
            seen=[member.rotation.seen for member in members],
            around={gate: dispatcher.around_gate(gate) for gate in gates},
            broken=dict(dispatcher.broken),
        )

    async def line(self) -> str:
        """One line for people: `3 of 4 credentials served`, and what is wrong."""
        members, now = tuple(self._fleet.members.values()), self._clock.elapsed()
        served = failing = 0
        for begin in range(0, len(members), SLICE):
            await asyncio.sleep(0)
            seen = [member.rotation.seen for member in members[begin : begin + SLICE]]
            served += sum([served_until(one) > now for one in seen])
            failing += sum(map(is_failing, seen))
        parts = [f"{served} of {len(members)} credentials served"]
        parts += [f"{failing} failing"] if failing else []
        parts += [
            f"Vault {name} cannot be used" if name else "Vault cannot be used"
            for name, session in self._fleet.sessions.items()
            if session.trouble is not None
        ]
        parts += [] if self.reloaded else ["the last configuration was refused: see config.rejected in the log"]
        return "; ".join([*parts, *self.faults()])

    @staticmethod
    def _vault(name: str, session: VaultSession) -> VaultStatus:
        trouble = session.trouble
        return VaultStatus(
            address=session.address,
            entered=session.entered,
            authenticated=session.authenticated,
            token_expires=session.token_expires,
            trouble=None if trouble is None else trouble.code,
            detail="" if trouble is None else trouble.detail,
            name=name,
        )


def _quota(gate: Gate, now: float) -> QuotaStatus | None:
    spent = gate.spent(now)
    return None if spent is None else QuotaStatus(spent[0].count, spent[0].span, spent[1])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was known at one moment; everything that is made of it is made without the event loop."""

    config: str
    now: Moment
    started: Moment
    faults: tuple[str, ...]
    reloaded: bool
    first_round: bool
    clock_steps: int
    vaults: tuple[VaultStatus, ...]
    servers: tuple[Server, ...]
    quotas: tuple[QuotaStatus | None, ...]
    members: tuple[Member, ...]
    seen: Sequence[Observation]
    around: Mapping[Gate, Surroundings]
    broken: Mapping[str, float]

    def status(self) -> Status:
        """The whole."""
        credentials = tuple(map(self._credential, self.members, self.seen))
        return Status(
            version=__version__,
            config=self.config,
            now=self.now,
            started=self.started,
            faults=self.faults,
            unready=tuple(self._unready(credentials)),
            reloaded=self.reloaded,
            clock_steps=self.clock_steps,
            vault=self.vaults[0],
            vaults=self.vaults[1:],
            providers=tuple(
                ProviderStatus(
                    server.gate.provider,
                    server.gate.in_outage,
                    server.gate.waiting,
                    server.gate.in_flight,
                    server.gate.opens_at,
                    quota,
                )
                for server, quota in zip(self.servers, self.quotas, strict=True)
            ),
            credentials=credentials,
        )

    def explain(self, name: str) -> list[explain.Step]:
        """The arithmetic behind one credential's schedule.

        Raises:
            KeyError: There is no such credential.
        """
        member, seen = self._named(name)
        return explain.steps(member.rotation.spec, seen, self.around[member.server.gate], self.now)

    def credential(self, name: str) -> CredentialStatus:
        """One credential, without judging all the others.

        Raises:
            KeyError: There is no such credential.
        """
        return self._credential(*self._named(name))

    def _named(self, name: str) -> tuple[Member, Observation]:
        for member, seen in zip(self.members, self.seen, strict=True):
            if member.rotation.spec.name == name:
                return member, seen
        raise KeyError(name)

    def _credential(self, member: Member, seen: Observation) -> CredentialStatus:
        spec = member.rotation.spec
        return of(
            spec,
            seen,
            self.around[member.server.gate],
            self.now.elapsed,
            kinds={sink.name: sink.kind for sink in member.sinks},
            required=member.required,
            broken=self.broken.get(spec.name),
        )

    def _unready(self, credentials: tuple[CredentialStatus, ...]) -> Iterator[str]:
        """Why it is not ready. While consumers are served, no outage of Vault or of a provider is a reason."""
        for vault in self.vaults:
            if not vault.entered:
                yield f"there has been no login to Vault{f' {vault.name}' if vault.name else ''} yet"
        if not self.first_round:
            yield "not every credential has been looked at once"
        unserved = [one.name for one in credentials if one.required and one.state in {State.EXPIRED, State.PENDING}]
        if unserved:
            yield f"consumers hold no good token of {listed(unserved, MOST_NAMED)}"
