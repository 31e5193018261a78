"""Vault and an authorization server as far as rotator meets them: they take time, they fail, and they write history."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Grant, Secret
from rotator.simulation.plant import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from rotator.core.model import TokenRecord
    from rotator.simulation.history import History
    from rotator.simulation.plant import ProviderModel, SinkModel, Spell
    from rotator.testing import LoopClock

DEADLINE = 10.0
"""Seconds after which a server that is silent is given up: the longest that an attempt takes."""

REFUSED = 0.001
"""Seconds until a connection is refused."""

VAULT_LATENCY = 0.005
"""Seconds that Vault takes for an answer."""


class Forecast:
    """Which spell a server is in. Asked with times that only grow.

    Args:
        spells: In order of their start.
    """

    def __init__(self, spells: Iterable[Spell]) -> None:
        self._to_come = deque(spells)
        self._now: list[Spell] = []

    def at(self, now: float) -> Spell | None:
        """The spell of this moment: of several, the worst."""
        while self._to_come and self._to_come[0].start <= now:
            self._now.append(self._to_come.popleft())
        if self._now:
            self._now = [spell for spell in self._now if spell.end > now]
        return max(self._now, key=lambda spell: spell.share, default=None)


class SimulatedProvider:
    """A token endpoint. A client's id is its credential's number."""

    def __init__(
        self, name: str, model: ProviderModel, spells: Iterable[Spell], clock: LoopClock, history: History, rng: Random
    ) -> None:
        self._name = name
        self._model = model
        self._forecast = Forecast(spells)
        self._clock = clock
        self._requests = history.requests[name]
        self._rng = rng
        self._in_flight = 0
        self._serial = 0
        self._issued: dict[str, float] = {}

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`."""
        sent = self._clock.now()
        number = len(self._requests.at)
        self._requests.at.append(sent.elapsed)
        self._requests.by.append(int(credentials.client_id))
        self._requests.granted.append(0)
        self._in_flight += 1
        self._requests.most_in_flight = max(self._requests.most_in_flight, self._in_flight)
        try:
            await self._fail_if_due(sent.elapsed)
            await self._clock.sleep(self._model.latency * self._rng.uniform(0.5, 1.5))
        finally:
            self._in_flight -= 1
        self._requests.granted[number] = 1
        return Grant(self._issue(credentials.client_id, sent.elapsed), sent, self._model.lifetime, "")

    def true_end(self, token: str) -> float | None:
        """When a token truly ends; None when it was never issued, or has been over for an hour."""
        return self._issued.get(token)

    def _issue(self, client_id: str, sent: float) -> Secret:
        self._serial += 1
        token = f"{self._name}.{client_id}.{self._serial}"
        self._issued[token] = sent + self._model.lifetime
        oldest = next(iter(self._issued))
        if self._issued[oldest] < sent - 3600.0:
            del self._issued[oldest]
        return Secret(token)

    async def _fail_if_due(self, now: float) -> None:
        spell = self._forecast.at(now)
        if spell is None or (spell.share < 1.0 and self._rng.random() >= spell.share):
            return
        match spell.trouble:
            case Trouble.SILENT:
                await self._clock.sleep(DEADLINE)
                raise RotationError(Code.PROVIDER_TIMEOUT, "simulated")
            case Trouble.UNREACHABLE:
                await self._clock.sleep(REFUSED)
                raise RotationError(Code.PROVIDER_UNREACHABLE, "simulated")
            case Trouble.THROTTLING:
                await self._clock.sleep(self._model.latency)
                raise RotationError(Code.PROVIDER_THROTTLED, "simulated", retry_after=spell.retry_after)
            case Trouble.FAILING:
                await self._clock.sleep(self._model.latency)
                raise RotationError(Code.PROVIDER_UNAVAILABLE, "simulated")


class SimulatedVault:
    """Whether Vault can be used, which all sources and sinks in it share."""

    def __init__(self, spells: Iterable[Spell], clock: LoopClock, rng: Random) -> None:
        self.away = False
        self._forecast = Forecast(spells)
        self._clock = clock
        self._rng = rng

    async def visit(self) -> None:
        """One request.

        Raises:
            RotationError: VAULT_UNAVAILABLE, at once while Vault is known to be away.
        """
        if not self.away:
            await self._clock.sleep(VAULT_LATENCY)
            spell = self._forecast.at(self._clock.elapsed())
            if spell is None or self._rng.random() >= spell.share:
                return
        raise RotationError(Code.VAULT_UNAVAILABLE, "simulated")


class SimulatedSource:
    """Client credentials in Vault.

    Attributes:
        version: Grows with each new secret.
    """

    def __init__(self, number: int, vault: SimulatedVault) -> None:
        self.version = 1
        self._number = number
        self._vault = vault

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`."""
        await self._vault.visit()
        return ClientCredentials(str(self._number), (Secret("simulated"),), str(self.version))


class SimulatedSink:
    """A place for one token, which keeps its timeline."""

    def __init__(
        self, model: SinkModel, vault: SimulatedVault, provider: SimulatedProvider, clock: LoopClock, history: History
    ) -> None:
        self.name = model.name
        self.kind = "vault" if model.in_vault else "file"
        self._vault = vault if model.in_vault else None
        self._provider = provider
        self._clock = clock
        self._history = history
        self._timeline = history.timelines[model.name]
        self._record: TokenRecord | None = None

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        if self._vault is not None:
            await self._vault.visit()
        return self._record

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        if self._vault is not None:
            await self._vault.visit()
        held = self._record
        if held is not None and held.stays_before(record):
            return held
        self._record = record
        if held is None or held.fingerprint != record.fingerprint:
            self._note(record)
        return record

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`."""
        if self._vault is not None:
            await self._vault.visit()

    def empty(self) -> None:
        """Somebody deletes what it holds."""
        self._record = None
        now = self._clock.elapsed()
        self._timeline.hold(now, now)

    def _note(self, record: TokenRecord) -> None:
        now = self._clock.elapsed()
        expires = self._provider.true_end(record.access_token.reveal())
        if expires is None:
            self._history.problems.append(f"{now:.1f} s: {self.name} was given a token that nobody minted")
            return
        self._timeline.writes += 1
        self._timeline.hold(now, expires)
