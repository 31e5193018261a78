"""Rotators as they could be, made of real core values and judged by the real policy: for what shows a status."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from rotator.core.errors import Code
from rotator.core.expiry import SecretEnd
from rotator.core.model import BearerToken, CredentialSpec, Moment, Secret, fingerprint
from rotator.core.observation import NEVER, Failure, Observation, SinkView, Stage, Surroundings
from rotator.operate.history import History
from rotator.operate.status import CredentialStatus, ProviderStatus, QuotaStatus, Status, VaultStatus, of
from rotator.testing import FakeClock, RecordingJournal
from tests.support.canary import canary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = Moment(datetime(2026, 11, 24, 3, 12, 5, tzinfo=UTC), 100_000.0)
"""Three in the morning."""

INPUTS = "1f2e3d4c5b6a7988"

UP = VaultStatus("https://vault.example.com:8200", True, True, NOW.elapsed + 2650.0, None, "")


def token(name: str, age: float, lifetime: float = 600.0, scope: str = "openid admin") -> BearerToken:
    """A token that was issued `age` seconds ago."""
    bearer = Secret(canary(f"{name} {age}"))
    issued = Moment(NOW.wall - timedelta(seconds=age), NOW.elapsed - age)
    return BearerToken(bearer, issued, lifetime, scope, INPUTS, fingerprint(bearer))


def failure(code: Code, stage: Stage, lasted: float, row: int, detail: str = "", ago: float = 4.0) -> Failure:
    """A run of `row` failures, the first one `lasted` seconds ago, the last one `ago`."""
    return Failure(code, stage, detail or code.meaning, row, NOW.elapsed - ago, NOW.elapsed - lasted, row, INPUTS)


@dataclass(frozen=True)
class Case:
    """One credential, and what is remembered of it: the ages of its last tokens, in seconds; its secret's end, in days.

    Sinks hold the newest of them; those that failed, or that are `behind`, the one before.
    """

    name: str
    provider: str = "thx"
    ages: Sequence[float] = (150.0, 425.0, 698.0, 970.0)
    lifetime: float = 600.0
    mint: Failure | None = None
    sinks: Mapping[str, Failure | None] = field(default_factory=dict)
    behind: bool = False
    required: bool = True
    looked: bool = True
    scope: str = "openid admin"
    secret_ends_in: float | None = None

    @property
    def names(self) -> Mapping[str, Failure | None]:
        """Its sinks; one in Vault unless told otherwise."""
        return self.sinks or {f"vault:secret/tokens/{self.name}": None}

    def tokens(self) -> list[BearerToken]:
        """The tokens that are remembered, the newest first."""
        return [token(self.name, age, self.lifetime, self.scope) for age in self.ages]

    def spec(self) -> CredentialSpec:
        """What its operator wants."""
        return CredentialSpec(self.name, self.provider, (("grant", "client_credentials"),))

    def observation(self) -> Observation:
        """What is known of it."""
        tokens = self.tokens()
        hand = tokens[0] if tokens else None
        previous = tokens[1] if len(tokens) > 1 else None
        return Observation(
            inputs=INPUTS,
            in_hand=hand,
            sinks={
                name: SinkView(previous if failed or self.behind else hand, looked=True, failure=failed)
                for name, failed in self.names.items()
            },
            failure=self.mint,
            requested_at=hand.issued.elapsed if hand else NEVER,
            looked_at=NOW.elapsed - 20.0 if self.looked else NEVER,
            secret=None if self.secret_ends_in is None else SecretEnd("v1", NOW.wall + timedelta(self.secret_ends_in)),
        )

    def status(self) -> CredentialStatus:
        """How it is."""
        kinds = {name: name.partition(":")[0] for name in self.names}
        around = Surroundings()
        return of(self.spec(), self.observation(), around, NOW.elapsed, kinds=kinds, required=self.required)


def status(
    cases: Sequence[Case],
    *,
    vault: VaultStatus = UP,
    providers: Sequence[ProviderStatus] = (),
    faults: Sequence[str] = (),
    unready: Sequence[str] = (),
    reloaded: bool = True,
    config: str = "/etc/rotator/config.toml",
) -> Status:
    """A rotator with these credentials; providers that are not given are open."""
    names = dict.fromkeys(case.provider for case in cases)
    known = {one.name: one for one in providers}
    return Status(
        version="0.1.0",
        config=config,
        now=NOW,
        started=Moment(NOW.wall - timedelta(hours=9), NOW.elapsed - 9 * 3600),
        faults=tuple(faults),
        unready=tuple(unready),
        reloaded=reloaded,
        clock_steps=0,
        vault=vault,
        providers=tuple(known.get(name) or ProviderStatus(name, False, 0, 0, NEVER) for name in names),
        credentials=tuple(case.status() for case in cases),
    )


def history(cases: Sequence[Case]) -> History:
    """What a rotator with these credentials remembers: each of their tokens, and what has failed, in its order."""
    clock = FakeClock(NOW.wall, NOW.elapsed)
    kept = History(RecordingJournal(), clock)
    events = sorted((event for case in cases for event in _events(case)), key=lambda event: event[0])
    for at, name, fields in events:
        clock.advance(at - clock.now().elapsed)
        kept.event(name, **fields)
    return kept


def _events(case: Case) -> list[tuple[float, str, dict[str, object]]]:
    found: list[tuple[float, str, dict[str, object]]] = []
    for one in case.tokens():
        expires = NOW.at(one.expires)
        minted = {"credential": case.name, "provider": case.provider, "reason": "nearing_expiry"}
        details = {"expires_at": expires, "lifetime_s": one.lifetime, "fingerprint": one.fingerprint}
        found.append((one.issued.elapsed, "token.minted", {**minted, **details}))
        found += [
            (one.issued.elapsed, "token.delivered", {"credential": case.name, "sink": name, "sink_kind": "vault"})
            for name, failed in case.names.items()
            if failed is None and not case.behind
        ]
    if case.mint is not None:
        name = "token.mint_failed" if case.mint.code.retryable else "credential.rejected"
        found.append((case.mint.since, name, _failed(case, case.mint)))
    found += [
        (one.since, "token.delivery_failed", {**_failed(case, one), "sink": sink})
        for sink, one in case.names.items()
        if one is not None
    ]
    return found


def _failed(case: Case, one: Failure) -> dict[str, object]:
    return {
        "credential": case.name,
        "provider": case.provider,
        "stage": str(one.stage),
        "error": one.code.text,
        "detail": one.detail,
        "cure": one.code.cure,
    }


CUT = "POST https://auth.thx.network/token: connection refused"
"""What a provider that is cut off looks like."""


def night() -> list[Case]:
    """A provider has been cut off for nine minutes, and two other things are wrong as well."""
    unreachable = failure(Code.PROVIDER_UNREACHABLE, Stage.GRANT, 552.0, 27, CUT)
    refused = failure(Code.INVALID_CLIENT, Stage.GRANT, 3725.0, 14, "the server answered 401 invalid_client", ago=40.0)
    full = failure(Code.FILE_NO_SPACE, Stage.DELIVER, 95.0, 6, "/run/rotator/ledger.token: no space left on device")
    return [
        Case("asset-pool", ages=(612.0, 890.0, 1163.0), mint=unreachable),
        Case("billing", ages=(541.0, 812.0, 1085.0), mint=unreachable),
        Case("crm-export", ages=(437.0, 702.0, 985.0), mint=unreachable, required=False),
        Case("wallet", ages=(389.0, 668.0), mint=unreachable),
        Case("warehouse-sync", "entra", ages=(2100.0, 3900.0), lifetime=3600.0, mint=refused),
        Case(
            "ledger",
            "keycloak",
            ages=(88.0, 361.0, 640.0),
            sinks={"vault:secret/tokens/ledger": None, "file:/run/rotator/ledger.token": full},
        ),
        Case("mailer", "keycloak", ages=(122.0, 399.0, 664.0, 941.0)),
        Case("metrics-push", "keycloak", ages=(201.0, 470.0, 744.0)),
        Case("search-index", "entra", ages=(1250.0, 2950.0), lifetime=3600.0, secret_ends_in=200.0),
        Case("reports", "keycloak", ages=(), looked=False),
    ]


METERED = QuotaStatus(2000, 86400.0, 170)
OUTAGE = (ProviderStatus("thx", True, 3, 1, NEVER), ProviderStatus("entra", False, 0, 0, NOW.elapsed + 47.0, METERED))


def night_status() -> Status:
    """How the rotator of that night is."""
    return status(night(), providers=OUTAGE, unready=["consumers hold no good token of asset-pool, reports"])


def large(count: int = 10_000) -> list[Case]:
    """Many credentials of seven providers, a few of them in every kind of trouble; always the same."""
    draw = Random(4)  # noqa: S311  it makes up names and ages
    outage = failure(Code.PROVIDER_TIMEOUT, Stage.GRANT, 410.0, 22, "no whole answer within 10 s")
    refused = failure(Code.INVALID_SCOPE, Stage.GRANT, 9000.0, 41, "400 invalid_scope", ago=70.0)
    denied = failure(Code.VAULT_DENIED, Stage.DELIVER, 260.0, 3, "secret/data/tokens/x: update is missing", ago=30.0)
    cases = []
    for number in range(count):
        provider = f"idp-{number % 7}"
        age = draw.uniform(5.0, 240.0)
        name = f"{draw.choice(['api', 'batch', 'edge', 'sync', 'web'])}-{number:05d}"
        ages = [age + 270.0 * back for back in range(3)]
        if provider == "idp-3" and number % 35 == 3:
            cases.append(Case(name, provider, [age + 300.0 for age in ages], mint=outage))
        elif number % 1750 == 6:
            cases.append(Case(name, provider, [2000.0 + age], mint=refused))
        elif number % 833 == 5:
            path = f"vault:secret/tokens/{name}"
            cases.append(Case(name, provider, ages, sinks={path: denied}, behind=True))
        else:
            cases.append(Case(name, provider, ages))
    return cases
