"""How long is waited after failures: doubling, caps, spread, and what happens at a border to the instant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core import policy
from rotator.core.errors import Code
from rotator.core.model import BearerToken, CredentialSpec, Moment, Secret
from rotator.core.observation import Failure, Observation, SinkView, Stage, Surroundings
from rotator.core.policy import Deliver, Mint, Reason, Wait, decide
from rotator.testing import EPOCH

SPEC = CredentialSpec(name="billing", provider="thx", identity=())
NAMES = [replace(SPEC, name=f"c{number}") for number in range(300)]
OPEN = Surroundings()
NOW = 1000.0
HELD = BearerToken(Secret("t"), Moment(EPOCH, NOW - 400), 600.0, "openid", "in-1", "aaaa")


def failure(code: Code = Code.PROVIDER_UNAVAILABLE, *, count: int = 1, ago: float = 0.0, **fields: object) -> Failure:
    return replace(Failure(code, Stage.GRANT, "said so", count, NOW - ago, NOW - ago, inputs="in-1"), **fields)  # type: ignore[arg-type]  # fields of the caller's choice


def seen(held: BearerToken | None = HELD, **fields: object) -> Observation:
    sinks = {"sink0": SinkView(holds=held, looked=True)}
    return replace(Observation(inputs="in-1", sinks=sinks, looked_at=NOW), **fields)  # type: ignore[arg-type]  # likewise


@pytest.mark.parametrize(("count", "most"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (9, 30), (10_000, 30)])
def test_the_wait_after_a_failure_doubles_from_two_to_thirty_seconds_and_is_spread_below_that(
    count: int, most: float
) -> None:
    delays = [policy.retry_due(spec, failure(count=count), 600.0) - NOW for spec in NAMES]
    assert min(delays) == pytest.approx(2.0)
    assert most * 0.95 <= max(delays) <= most


@pytest.mark.parametrize(("count", "least", "most"), [(1, 60, 60), (2, 60, 120), (3, 120, 240), (9, 150, 300)])
def test_the_wait_after_a_refusal_doubles_from_one_to_five_minutes_and_is_spread_over_its_upper_half(
    count: int, least: float, most: float
) -> None:
    refused = seen(None, failure=failure(Code.INVALID_SCOPE, count=count))
    delays = [policy.next_mint(spec, refused, OPEN, NOW).at - NOW for spec in NAMES]
    assert least <= min(delays) <= least * 1.05
    assert most * 0.95 <= max(delays) <= most


@pytest.mark.parametrize("code", [Code.PROVIDER_UNAVAILABLE, Code.INVALID_SCOPE], ids=["passing", "refused"])
def test_no_two_waits_are_alike_where_name_attempt_and_stage_are_not(code: Code) -> None:
    """Else a thousand credentials, or a mint and a delivery of one, would come back in step."""

    def due(spec: CredentialSpec, failed: Failure) -> float:
        return policy.retry_sink(spec, failed, 600.0)

    last = failure(code, count=9)
    assert due(SPEC, last) != due(NAMES[0], last)
    assert due(SPEC, last) != due(SPEC, failure(code, count=10))
    assert due(SPEC, last) != due(SPEC, failure(code, count=9, stage=Stage.DELIVER))


def test_the_successors_of_a_token_are_not_renewed_at_the_same_share_of_their_life_again() -> None:
    shares = {policy.renewal_due(SPEC, replace(HELD, fingerprint=f"{number:012x}")) for number in range(50)}
    assert len(shares) == 50


def test_a_sink_that_only_a_person_can_mend_is_tried_in_the_slow_lane() -> None:
    young = replace(HELD, issued=Moment(EPOCH, NOW))
    broken = SinkView(looked=True, failure=failure(Code.FILE_DENIED, count=3, stage=Stage.DELIVER))
    waits = [
        policy.retry_sink(spec, broken.failure, young.remaining(NOW)) - NOW
        for spec in NAMES
        if broken.failure is not None
    ]
    assert 120 <= min(waits) <= max(waits) <= 240
    later = decide(SPEC, seen(young, sinks={"sink0": broken}, in_hand=young, looked_at=NOW), OPEN, NOW + 59)
    assert isinstance(later, Wait)


AT_THE_INSTANT: dict[str, tuple[Observation, Surroundings, object]] = {
    "a backoff that ends now is over, and the reason is why the token is wanted": (
        seen(failure=failure(ago=2.0)),
        OPEN,
        Mint(Reason.NEARING_EXPIRY),
    ),
    "a delivery whose backoff ends now is made": (
        seen(
            in_hand=replace(HELD, issued=Moment(EPOCH, NOW)),
            sinks={"sink0": SinkView(looked=True, failure=failure(Code.FILE_IO, ago=2.0, stage=Stage.DELIVER))},
        ),
        OPEN,
        Deliver(replace(HELD, issued=Moment(EPOCH, NOW)), ("sink0",)),
    ),
    "the second failed look at a sink is waited for": (
        seen(sinks={"sink0": SinkView(failure=failure(Code.VAULT_UNAVAILABLE, count=2, stage=Stage.READ))}),
        OPEN,
        Wait(NOW + 2, Reason.BACKING_OFF),
    ),
    "the third failed look at a sink is not": (
        seen(sinks={"sink0": SinkView(failure=failure(Code.VAULT_UNAVAILABLE, count=3, stage=Stage.READ))}),
        OPEN,
        Mint(Reason.ABSENT),
    ),
    "a sink that could not be looked at holds nothing up while another one holds a token": (
        seen(
            sinks={
                "sink0": SinkView(holds=HELD, looked=True),
                "sink1": SinkView(failure=failure(Code.VAULT_UNAVAILABLE, stage=Stage.READ)),
            }
        ),
        OPEN,
        Mint(Reason.NEARING_EXPIRY),
    ),
    "nor when somebody asks for a token": (
        seen(sinks={"sink0": SinkView(failure=failure(Code.VAULT_UNAVAILABLE, stage=Stage.READ))}, forced=True),
        OPEN,
        Mint(Reason.FORCED),
    ),
}


@pytest.mark.parametrize("case", AT_THE_INSTANT)
def test_to_the_instant(case: str) -> None:
    observed, around, expected = AT_THE_INSTANT[case]
    assert decide(SPEC, observed, around, NOW) == expected


def test_a_token_that_is_due_now_is_waited_for_at_the_gate_and_not_for_a_later_time() -> None:
    due = policy.renewal_due(SPEC, HELD)
    decision = decide(SPEC, seen(looked_at=due), Surroundings(may_mint=False), due)
    assert decision == Wait(due + policy.look_interval(SPEC), Reason.THROTTLED, wants_mint=True)


def test_credentials_that_start_together_do_not_look_again_at_once() -> None:
    looks = sorted(policy.look_interval(replace(SPEC, name=f"c-{number}")) for number in range(500))
    assert 45 <= looks[0] < 46
    assert 59 < looks[-1] <= 60
    assert max(sum(second <= look < second + 1 for look in looks) for second in range(45, 60)) < 60


def test_a_token_is_good_until_its_end_and_no_longer() -> None:
    assert policy.best_token(seen(), HELD.expires - 0.001) == HELD
    assert policy.best_token(seen(), HELD.expires) is None
    assert policy.remaining(seen(), HELD.expires - 0.5) == pytest.approx(0.5)
    assert policy.remaining(seen(), HELD.expires) == 0.0


@pytest.mark.parametrize(("apart", "behind"), [(2.0, False), (2.001, True), (-2.0, False), (-2.001, True)])
def test_a_sink_is_dated_anew_when_its_date_is_off_by_more_than_two_seconds_c01(apart: float, *, behind: bool) -> None:
    view = SinkView(holds=replace(HELD, lifetime=HELD.lifetime + apart), looked=True)
    assert policy.is_behind(view, HELD) is behind


@pytest.mark.parametrize(("after", "parked"), [(119.9, False), (120.0, True)])
def test_a_changed_secret_has_a_grace_of_two_minutes_and_no_more(after: float, *, parked: bool) -> None:
    refused = seen(failure=failure(Code.INVALID_CLIENT), inputs_changed_at=NOW - after)
    assert policy.is_parked(refused) is parked


RECOVERY = {
    "a mint backs off when the provider recovers no later than it failed": (
        seen(failure=failure(count=9)),
        Surroundings(provider_recovered_at=NOW),
        Reason.BACKING_OFF,
    ),
    "a mint is not released by a recovery of Vault": (
        seen(failure=failure(count=9)),
        Surroundings(store_recovered_at=NOW + 1),
        Reason.BACKING_OFF,
    ),
    "a read is not released by a recovery of the provider": (
        seen(None, failure=failure(Code.VAULT_UNAVAILABLE, count=9, stage=Stage.READ)),
        Surroundings(provider_recovered_at=NOW + 1),
        Reason.BACKING_OFF,
    ),
}


@pytest.mark.parametrize("case", RECOVERY)
def test_a_failure_is_forgiven_only_by_a_recovery_of_its_own_side_that_came_after_it(case: str) -> None:
    observed, around, reason = RECOVERY[case]
    decision = decide(SPEC, observed, around, NOW)
    assert isinstance(decision, Wait)
    assert decision.reason is reason


@pytest.mark.parametrize(("recovered", "delivered"), [(NOW, False), (NOW + 0.001, True)])
def test_a_sink_is_written_at_once_when_vault_recovers_after_its_failure(recovered: float, *, delivered: bool) -> None:
    young = replace(HELD, issued=Moment(EPOCH, NOW))
    failed = SinkView(looked=True, failure=failure(Code.VAULT_UNAVAILABLE, count=9, stage=Stage.DELIVER))
    observed = seen(in_hand=young, sinks={"sink0": failed})
    decision = decide(SPEC, observed, Surroundings(store_recovered_at=recovered), NOW)
    assert isinstance(decision, Deliver) is delivered


@pytest.mark.parametrize(("recovered", "due"), [(NOW, False), (NOW + 0.001, True)])
def test_source_and_sinks_are_looked_at_once_vault_has_recovered(recovered: float, *, due: bool) -> None:
    young = seen(replace(HELD, issued=Moment(EPOCH, NOW)))
    assert policy.look_due(SPEC, young, Surroundings(store_recovered_at=recovered), NOW) is due


def test_a_sink_that_could_not_be_looked_at_is_looked_at_again_after_two_seconds() -> None:
    observed = seen(sinks={"sink0": SinkView(failure=failure(Code.VAULT_UNAVAILABLE, stage=Stage.READ))})
    assert not policy.look_due(SPEC, observed, OPEN, NOW + 1.9)
    assert policy.look_due(SPEC, observed, OPEN, NOW + 2.0)
