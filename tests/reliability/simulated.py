"""What the measurements by simulation share: one provider, some credentials, many trials on every core."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from rotator.core.model import CredentialSpec
from rotator.engine.gate import Limits
from rotator.simulation.plant import CredentialModel, Plant, ProviderModel, SinkModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
LIFE = 600.0


def one_provider(credentials: int, life: float = LIFE, limits: Limits | None = None) -> Plant:
    """Credentials of one provider, each with one Vault path."""
    models = (
        CredentialModel(CredentialSpec(f"app-{number}", "thx", ()), (SinkModel(f"vault:{number}"),))
        for number in range(credentials)
    )
    return Plant({"thx": ProviderModel(limits or Limits(), life)}, tuple(models))


def in_parallel(work: Callable[[int], T], seeds: Iterable[int], say: Callable[[str], None], what: str) -> Iterator[T]:
    """Work through seeds on all cores, in order, saying how far it has come about twenty times."""
    seeds = list(seeds)
    step = max(1, len(seeds) // 20)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, result in enumerate(pool.map(work, seeds, chunksize=max(1, step // 4)), 1):
            if number % step == 0 or number == len(seeds):
                say(f"{number} of {len(seeds)} {what}")
            yield result
