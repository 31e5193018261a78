"""The decision, as a table of sentences. Lifetimes are 600 s and now is second 1000 unless a row says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core import policy
from rotator.core.errors import Code
from rotator.core.model import BearerToken, CredentialSpec, Moment, Secret
from rotator.core.observation import NEVER, Failure, Observation, SinkView, Stage, Surroundings
from rotator.core.policy import Deliver, Mint, Reason, Wait, decide
from rotator.testing import EPOCH

SPEC = CredentialSpec(name="billing", provider="thx", identity=())
OPEN = Surroundings()
NOW = 1000.0


def token(
    *, age: float = 0.0, life: float = 600.0, inputs: str = "in-1", mark: str = "aaaa", refresh_in: float | None = None
) -> BearerToken:
    issued = Moment(EPOCH - timedelta(seconds=age), NOW - age)
    return BearerToken(Secret(f"t-{mark}"), issued, life, "openid", inputs, mark, refresh_in)


def holding(*tokens: BearerToken | None, **fields: object) -> Observation:
    sinks = {f"sink{i}": SinkView(holds=held, looked=True) for i, held in enumerate(tokens)}
    return replace(Observation(inputs="in-1", sinks=sinks, looked_at=NOW), **fields)  # type: ignore[arg-type]  # fields of the caller's choice


def failure(
    code: Code = Code.PROVIDER_UNAVAILABLE,
    *,
    count: int = 1,
    at: float = NOW,
    stage: Stage = Stage.GRANT,
    inputs: str | None = "in-1",
) -> Failure:
    return Failure(code, stage, "said so", count, at, at, inputs=inputs)


MINTS = {
    "nothing is held anywhere": (holding(None), OPEN, Reason.ABSENT),
    "the only token is past half its life": (holding(token(age=301)), OPEN, Reason.NEARING_EXPIRY),
    "the only token has expired": (holding(token(age=601)), OPEN, Reason.NEARING_EXPIRY),
    "the secret has changed since the token was minted": (
        holding(token(inputs="in-0")),
        OPEN,
        Reason.INPUTS_CHANGED,
    ),
    "somebody asked for it": (holding(token(), forced=True), OPEN, Reason.FORCED),
    "a refused secret has been replaced": (
        holding(None, failure=failure(Code.INVALID_CLIENT, inputs="in-0")),
        OPEN,
        Reason.ABSENT,
    ),
    "the provider has recovered since the failure": (
        holding(token(age=400), failure=failure(count=9, at=NOW - 1)),
        Surroundings(provider_recovered_at=NOW),
        Reason.NEARING_EXPIRY,
    ),
    "Vault has recovered since the credentials could not be read": (
        holding(None, failure=failure(Code.VAULT_UNAVAILABLE, stage=Stage.READ, at=NOW - 1)),
        Surroundings(store_recovered_at=NOW),
        Reason.ABSENT,
    ),
    "the backoff is over": (holding(token(age=400), failure=failure(at=NOW - 31)), OPEN, Reason.NEARING_EXPIRY),
    "somebody asked for it while it is parked": (
        holding(token(), failure=failure(Code.INVALID_CLIENT), forced=True),
        OPEN,
        Reason.FORCED,
    ),
    "one waits for its checks, which needs no leave to mint": (
        holding(None, failure=replace(failure(Code.VERIFY_UNAVAILABLE, at=NOW - 31), kept_until=NOW + 1)),
        Surroundings(may_mint=False),
        Reason.ABSENT,
    ),
}


@pytest.mark.parametrize("case", MINTS)
def test_a_token_is_minted_when(case: str) -> None:
    seen, around, reason = MINTS[case]
    assert decide(SPEC, seen, around, NOW) == Mint(reason)


WAITS = {
    "the token is young": (holding(token()), OPEN, Reason.NOT_DUE),
    "a token was requested less than 5 s ago": (
        holding(token(age=4, life=5), requested_at=NOW - 4),
        OPEN,
        Reason.THROTTLED,
    ),
    "somebody asks again within 5 s": (
        holding(token(), forced=True, requested_at=NOW - 1),
        OPEN,
        Reason.THROTTLED,
    ),
    "the provider asked for patience": (
        holding(token(age=400)),
        Surroundings(provider_opens_at=NOW + 20),
        Reason.THROTTLED,
    ),
    "the gate is not open yet": (holding(token(age=400)), Surroundings(may_mint=False), Reason.THROTTLED),
    "a failure has just happened": (holding(token(age=400), failure=failure()), OPEN, Reason.BACKING_OFF),
    "one waits for its checks, which have just failed": (
        holding(token(age=400), failure=replace(failure(Code.VERIFY_UNAVAILABLE), kept_until=NOW + 99)),
        Surroundings(may_mint=False),
        Reason.BACKING_OFF,
    ),
    "one waits for its checks, and who is asked wants to be left alone for longer than a backoff": (
        holding(None, failure=replace(failure(at=NOW - 31), kept_until=NOW + 99, not_before=NOW + 9)),
        OPEN,
        Reason.BACKING_OFF,
    ),
    "one has waited for its checks too long, and leave to mint is missing": (
        holding(None, failure=replace(failure(Code.VERIFY_UNAVAILABLE, at=NOW - 31), kept_until=NOW)),
        Surroundings(may_mint=False),
        Reason.THROTTLED,
    ),
    "one waits for its checks that was minted with another secret, and leave to mint is missing": (
        holding(
            None, failure=replace(failure(Code.VERIFY_UNAVAILABLE, at=NOW - 31, inputs="in-0"), kept_until=NOW + 99)
        ),
        Surroundings(may_mint=False),
        Reason.THROTTLED,
    ),
    "the secret was refused": (
        holding(token(age=400), failure=failure(Code.INVALID_CLIENT, at=NOW - 50)),
        OPEN,
        Reason.PARKED,
    ),
    "a changed secret is refused within its grace": (
        holding(token(age=400), failure=failure(Code.INVALID_CLIENT), inputs_changed_at=NOW - 60),
        OPEN,
        Reason.BACKING_OFF,
    ),
    "a sink that may hold a token could not be looked at yet": (
        Observation(
            inputs="in-1",
            looked_at=NOW,
            sinks={"vault": SinkView(failure=failure(Code.VAULT_UNAVAILABLE, stage=Stage.READ))},
        ),
        OPEN,
        Reason.BACKING_OFF,
    ),
}


@pytest.mark.parametrize("case", WAITS)
def test_no_token_is_minted_while(case: str) -> None:
    seen, around, reason = WAITS[case]
    decision = decide(SPEC, seen, around, NOW)
    assert isinstance(decision, Wait)
    assert decision.reason is reason


def test_a_recovered_provider_does_not_release_a_refused_secret() -> None:
    seen = holding(None, failure=failure(Code.INVALID_CLIENT, at=NOW - 1))
    decision = decide(SPEC, seen, Surroundings(provider_recovered_at=NOW), NOW)
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.PARKED


def test_a_parked_credential_is_looked_at_again_within_five_seconds() -> None:
    decision = decide(SPEC, holding(None, failure=failure(Code.INVALID_CLIENT)), OPEN, NOW)
    assert isinstance(decision, Wait)
    assert decision.until == NOW + 5


def test_a_sink_that_is_behind_gets_the_best_token_without_a_mint() -> None:
    good = token()
    assert decide(SPEC, holding(good, None, token(age=10, mark="bbbb")), OPEN, NOW) == Deliver(good, ("sink1", "sink2"))


def test_a_due_mint_goes_before_a_delivery() -> None:
    assert decide(SPEC, holding(token(age=400), None), OPEN, NOW) == Mint(Reason.NEARING_EXPIRY)


def test_a_mint_that_waits_for_its_gate_does_not_delay_a_delivery() -> None:
    held = token(age=400)
    assert decide(SPEC, holding(held, None), Surroundings(may_mint=False), NOW) == Deliver(held, ("sink1",))


def test_a_failed_sink_is_retried_later_and_causes_no_mint() -> None:
    held = token(age=10)
    sinks = {"sink0": SinkView(failure=failure(Code.FILE_NO_SPACE, stage=Stage.DELIVER), looked=True)}
    decision = decide(SPEC, replace(holding(), in_hand=held, sinks=sinks), OPEN, NOW)
    assert isinstance(decision, Wait)
    assert NOW + 2 <= decision.until <= NOW + 30


def test_a_sink_dated_by_a_clock_that_was_set_since_is_written_anew_c01() -> None:
    held = token(age=10)
    redated = replace(held, issued=replace(held.issued, wall=held.issued.wall + timedelta(hours=1)))
    assert decide(SPEC, replace(holding(held), in_hand=redated), OPEN, NOW) == Deliver(redated, ("sink0",))


def test_while_minting_fails_the_moment_of_expiry_is_waited_for() -> None:
    held = token(age=598)
    decision = decide(SPEC, holding(held, failure=failure(Code.INVALID_CLIENT)), OPEN, NOW)
    assert isinstance(decision, Wait)
    assert decision.until == held.expires


@given(name=st.text(min_size=1, max_size=20), mark=st.text(min_size=1, max_size=12), life=st.floats(1, 86400))
def test_the_default_renewal_lies_between_four_tenths_and_half_of_the_life(name: str, mark: str, life: float) -> None:
    due = policy.renewal_due(replace(SPEC, name=name), token(life=life, mark=mark)) - NOW
    assert life * 0.4 - 1e-6 <= due <= life * 0.5 + 1e-6


@pytest.mark.parametrize(("renew_at", "share"), [(0.1, 0.5), (0.5, 0.5), (0.8, 0.8)])
def test_a_lead_of_more_than_half_the_life_is_clamped(renew_at: float, share: float) -> None:
    due = policy.renewal_due(replace(SPEC, renew_at=renew_at), token()) - NOW
    assert 600 * (share - 0.1) <= due <= 600 * share


HINTED: dict[str, tuple[float, float | None, float]] = {
    "no hint leaves renew_at": (0.8, None, 0.8),
    "a hint pulls the renewal forward": (0.8, 360.0, 0.6),
    "a hint at half is the earliest": (0.8, 300.0, 0.5),
    "a hint before half counts as half": (0.8, 60.0, 0.5),
    "a hint after renew_at puts nothing off": (0.8, 540.0, 0.8),
    "a hint changes nothing at the default": (0.5, 480.0, 0.5),
    "a hint does not undo the clamp": (0.2, 480.0, 0.5),
}


@pytest.mark.parametrize("case", HINTED)
def test_the_share_of_the_life_is_renew_at_or_sooner_where_the_provider_hints(case: str) -> None:
    renew_at, refresh_in, share = HINTED[case]
    spec, held = replace(SPEC, renew_at=renew_at), token(refresh_in=refresh_in)
    assert policy.renewal_share(spec, held) == pytest.approx(share)
    early = 600 * share - (policy.renewal_due(spec, held) - NOW)
    assert early == pytest.approx(600 * policy.SPREAD * policy.spread(SPEC.name, held.fingerprint))


@given(
    renew_at=st.floats(0.01, 0.99),
    life=st.floats(2, 2_592_000),
    share=st.floats(0.001, 0.999),
    mark=st.text(min_size=1, max_size=12),
)
def test_a_hint_renews_never_later_than_without_it_and_never_earlier_than_renewing_at_half(
    renew_at: float, life: float, share: float, mark: str
) -> None:
    spec, plain = replace(SPEC, renew_at=renew_at), token(life=life, mark=mark)
    hinted = replace(plain, refresh_in=life * share)
    earliest = policy.renewal_due(replace(spec, renew_at=0.5), plain)
    assert earliest <= policy.renewal_due(spec, hinted) <= policy.renewal_due(spec, plain)


def test_hinted_renewals_of_many_credentials_are_spread_as_all_others_h06() -> None:
    held, renew_at = token(refresh_in=300), 0.9
    dues = [policy.renewal_due(replace(SPEC, name=f"c{i}", renew_at=renew_at), held) - NOW for i in range(1000)]
    tenths = [sum(240 + 6 * k <= due < 246 + 6 * k for due in dues) for k in range(10)]
    assert min(tenths) > 60


def test_renewals_of_many_credentials_are_spread_evenly_h06() -> None:
    dues = [policy.renewal_due(replace(SPEC, name=f"c{i}"), token()) - NOW for i in range(1000)]
    tenths = [sum(240 + 6 * k <= due < 246 + 6 * k for due in dues) for k in range(10)]
    assert min(tenths) > 60
    assert max(tenths) < 150


@given(
    count=st.integers(1, 10_000),
    left=st.floats(0, 600),
    code=st.sampled_from([code for code in Code if code.retryable]),
)
def test_a_retry_comes_after_two_seconds_at_least_and_a_tenth_of_the_life_left_at_most(
    count: int, left: float, code: Code
) -> None:
    delay = policy.retry_due(SPEC, failure(code, count=count), left) - NOW
    assert 2.0 <= delay <= max(2.0, min(30.0, left / 10)) + 1e-9


@pytest.mark.parametrize(("count", "least", "most"), [(1, 60, 60), (2, 60, 120), (3, 120, 240), (9, 150, 300)])
def test_a_refused_credential_waits_one_to_five_minutes(count: int, least: float, most: float) -> None:
    seen = holding(None, failure=failure(Code.INVALID_SCOPE, count=count))
    assert least <= policy.next_mint(SPEC, seen, OPEN, NOW).at - NOW <= most


@pytest.mark.parametrize(
    ("stalled_ago", "left", "next_in"),
    [(0, 300, 150), (0, 20, 10), (0, 8, 5), (0, 3, 3)],
    ids=["half of what is left", "again half", "never within 5 s", "but at the end itself"],
)
def test_a_provider_that_hands_out_the_same_token_is_asked_when_half_of_the_rest_is_gone_p33(
    stalled_ago: float, left: float, next_in: float
) -> None:
    held = token(age=600 - left)
    seen = holding(held, stalled_at=NOW - stalled_ago)
    assert policy.next_mint(SPEC, seen, OPEN, NOW).at - NOW == pytest.approx(next_in)


def test_what_is_known_of_the_token_in_hand_outweighs_what_a_sink_says_of_it_p34() -> None:
    in_hand = token(life=300)
    seen = replace(holding(token(life=600)), in_hand=in_hand)
    assert policy.best_token(seen, NOW) == in_hand


@given(
    age=st.floats(0, 700),
    failed_ago=st.one_of(st.none(), st.floats(0, 400)),
    code=st.sampled_from(list(Code)),
    count=st.integers(1, 50),
    opens=st.floats(-100, 100),
    requested_ago=st.floats(0, 100),
    may_mint=st.booleans(),
)
def test_a_wait_never_ends_in_the_past_and_never_waits_longer_than_the_recheck(
    age: float, failed_ago: float | None, code: Code, count: int, opens: float, requested_ago: float, *, may_mint: bool
) -> None:
    fail = None if failed_ago is None else failure(code, count=count, at=NOW - failed_ago)
    seen = holding(token(age=age), failure=fail, requested_at=NOW - requested_ago)
    around = Surroundings(provider_opens_at=NOW + opens, may_mint=may_mint)
    decision = decide(SPEC, seen, around, NOW)
    assert not (isinstance(decision, Mint) and (opens > 0.001 or requested_ago < 4.999 or not may_mint))
    if isinstance(decision, Wait):
        assert NOW <= decision.until <= NOW + SPEC.recheck_interval


def test_whoever_waits_at_the_gate_is_woken_when_the_token_expires() -> None:
    held = token(age=590)
    decision = decide(SPEC, holding(held), Surroundings(may_mint=False), NOW)
    assert decision == Wait(held.expires, Reason.THROTTLED, wants_mint=True)


def test_the_same_question_gets_the_same_answer() -> None:
    seen = holding(token(age=400), failure=failure(count=4))
    assert len({repr(decide(SPEC, seen, OPEN, NOW)) for _ in range(20)}) == 1


def test_an_observation_that_has_never_been_made_is_looked_at_first() -> None:
    assert policy.look_due(SPEC, Observation(), OPEN, NOW)
    assert Observation().looked_at == NEVER
