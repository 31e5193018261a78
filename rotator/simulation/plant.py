"""What is simulated: providers and credentials as a configuration has them, and what goes wrong, when.

All times are seconds from the start of the simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from rotator.engine.gate import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import CredentialSpec


@dataclass(frozen=True, slots=True)
class ProviderModel:
    """An authorization server.

    Attributes:
        limits: What it may be asked.
        lifetime: Seconds that its tokens live.
        latency: Seconds until it answers, on average; each answer takes between half and one and a half of it.
    """

    limits: Limits = field(default_factory=Limits)
    lifetime: float = 600.0
    latency: float = 0.05


@dataclass(frozen=True, slots=True)
class SinkModel:
    """A place for tokens.

    Attributes:
        name: Unique among all sinks.
        in_vault: Whether it can be written only while Vault is there.
        consumer_interval: Seconds after which its consumers have read it again.
    """

    name: str
    in_vault: bool = True
    consumer_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class CredentialModel:
    """A credential: what the core knows of it, and its sinks."""

    spec: CredentialSpec
    sinks: tuple[SinkModel, ...]


@dataclass(frozen=True, slots=True)
class Plant:
    """Everything that one rotator keeps fresh."""

    providers: Mapping[str, ProviderModel]
    credentials: tuple[CredentialModel, ...]


class Trouble(StrEnum):
    """How a server fails."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    FAILING = "failing"
    THROTTLING = "throttling"


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a server is in trouble.

    Attributes:
        start: When it begins.
        end: When it is over.
        trouble: Unreachable and silent ones answer nobody (a silent one after the deadline), failing ones answer a
            share of requests with errors, throttling ones refuse everybody with a Retry-After.
        share: Of requests that fail, more than 0 up to 1.
        retry_after: Seconds that a throttling server asks for.
    """

    start: float
    end: float
    trouble: Trouble = Trouble.UNREACHABLE
    share: float = 1.0
    retry_after: float = 0.0

    @property
    def is_total(self) -> bool:
        """Whether nobody gets through."""
        return self.share >= 1.0


class Blow(StrEnum):
    """What happens at one instant."""

    RESTART = "restart"
    STEP = "step"
    SUSPEND = "suspend"
    NEW_SECRET = "new_secret"  # noqa: S105  the name of a blow
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Shock:
    """Something that happens at one instant.

    Attributes:
        at: When.
        blow: What: rotator is killed and started again; the wall clock is set; the machine sleeps; a credential gets
            a new secret; somebody deletes what a sink holds.
        amount: Seconds: how long rotator is away, by how much the clock is set, how long the machine sleeps.
        target: The credential that is struck, by its number.
    """

    at: float
    blow: Blow
    amount: float = 0.0
    target: int = 0


@dataclass(frozen=True, slots=True)
class Weather:
    """All that goes wrong in one simulation.

    Attributes:
        duration: How long it is.
        providers: The spells of each provider, by name, in order of their start.
        vault: The spells of Vault, likewise.
        shocks: What happens at instants, in order.
    """

    duration: float
    providers: Mapping[str, tuple[Spell, ...]] = field(default_factory=dict)
    vault: tuple[Spell, ...] = ()
    shocks: tuple[Shock, ...] = ()
