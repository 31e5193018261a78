"""What the configured credentials will ask of providers that meter their tokens, reckoned with the policy's figures.

The worst case: every credential renews as early as its spread allows, for a day. What a restart, a changed secret, a
hint of the provider (`refresh_in`) or somebody with --force asks beyond that is what a fifth of the quota is left for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.model import EARLIEST_RENEWAL
from rotator.core.policy import shortest_interval
from rotator.engine.quota import NEARLY
from rotator.settings.crosscheck import ROUNDING, USUAL_LIFETIME
from rotator.settings.problems import Finding
from rotator.settings.types import DAY, spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rotator.engine.quota import Quota
    from rotator.settings.model import Settings
    from rotator.settings.providers import Provider

LATER = (0.6, 0.7, 0.8, 0.9)
"""Shares of the lifetime that are proposed in place of a `renew_at` that asks for too much."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one provider will be asked for at most.

    Attributes:
        provider: Its name.
        quota: What it grants.
        lifetime: Seconds that its tokens are reckoned to live.
        shares: For each of its credentials, the share of the lifetime after which it renews.
    """

    provider: str
    quota: Quota
    lifetime: float
    shares: tuple[float, ...]

    @property
    def per_day(self) -> int:
        """Tokens within any day."""
        return self._within(DAY, self.shares)

    @property
    def per_span(self) -> int:
        """Tokens within any span of the quota."""
        return self._within(self.quota.span, self.shares)

    @property
    def used(self) -> float:
        """The share of the quota that this is; more than 1 is more than the provider grants."""
        return self.per_span / self.quota.count

    @property
    def text(self) -> str:
        """The quota as the configuration writes it."""
        return f"{self.quota.count}/{spell(self.quota.span)}"

    def sentence(self) -> str:
        """The forecast for a person."""
        return (
            f"{self.provider}: at most {_tokens(self.per_day)} a day, and {self.per_span} within "
            f"{spell(self.quota.span)}: {self.used:.0%} of its quota ({self.text})"
        )

    def as_dict(self) -> dict[str, object]:
        """The forecast for a program."""
        return {
            "provider": self.provider,
            "limit": self.quota.count,
            "span_s": self.quota.span,
            "tokens_per_span": self.per_span,
            "tokens_per_day": self.per_day,
            "used": round(self.used, 3),
        }

    def cure(self) -> str:
        """What to do where that is too much."""
        most = math.floor(NEARLY * self.quota.count)
        later = next((share for share in LATER if self._at(share) <= most), None)
        fit = most // self._within(self.quota.span, (min(self.shares),))
        ways = [
            f"renew_at = {later:g} asks for {self._at(later)}, and leaves less time for an outage"
            if later is not None
            else f"not even renew_at = {LATER[-1]:g} asks for little enough",
            f"{fit} of its {len(self.shares)} credentials fit" if fit else "none of its credentials fits",
            f"if tokens live longer than {spell(self.lifetime)}, say so in assumed_lifetime",
        ]
        return "; ".join(ways)

    def _at(self, share: float) -> int:
        """Tokens within a span of the quota, did no credential renew before this share of its life."""
        return self._within(self.quota.span, [max(share, own) for own in self.shares])

    def _within(self, span: float, shares: Sequence[float]) -> int:
        """Tokens within any span of so many seconds: of two renewals an interval apart, it never holds both ends."""
        return sum(math.ceil(span / shortest_interval(share, self.lifetime) - ROUNDING) for share in shares)


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"


def forecasts(settings: Settings) -> Iterator[Forecast]:
    """For each provider that has a quota, in the order of the configuration."""
    for name, provider in settings.providers.items():
        if provider.quota is not None:
            shares = tuple(
                max(credential.renew_at, EARLIEST_RENEWAL)
                for credential in settings.credentials.values()
                if credential.provider == name
            )
            yield Forecast(name, provider.quota, _lifetime(provider), shares)


def _lifetime(provider: Provider) -> float:
    return min(provider.assumed_lifetime or USUAL_LIFETIME, provider.max_lifetime)


def warnings(settings: Settings) -> Iterator[Finding]:
    """The quotas that will be used up, or nearly so."""
    for forecast in forecasts(settings):
        if forecast.used > NEARLY:
            enough = math.floor(NEARLY * forecast.quota.count)
            why = "the rest is for restarts and changed secrets" if forecast.used <= 1 else "it will refuse the others"
            yield Finding(
                ("providers", forecast.provider, "quota"),
                f"{forecast.text}, and {len(forecast.shares)} credentials with tokens of {spell(forecast.lifetime)} "
                f"ask for up to {forecast.per_span} in that time ({forecast.per_day} a day): {forecast.used:.0%} of it",
                f"at most {enough}, for {why}",
                forecast.cure(),
            )
