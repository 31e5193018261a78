"""What a pass makes of a mint: which secret is asked with, which token is kept, what a failure is taken for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, CredentialSpec
from rotator.core.observation import Stage, Surroundings
from rotator.core.policy import Reason
from rotator.core.rotation import Rotation
from rotator.testing import MemoryEndpoint, MemorySink
from tests.unit.core.desk import OPEN, Desk

if TYPE_CHECKING:
    from rotator.core.model import Grant

DOWN = RotationError(Code.PROVIDER_UNAVAILABLE, "down")
SLOW = RotationError(Code.PROVIDER_TIMEOUT, "slow", ambiguous=True)
REFUSED = RotationError(Code.INVALID_CLIENT, "the secret is wrong")


async def test_a_mint_tells_why_it_was_made_and_its_token_carries_the_scope(desk: Desk) -> None:
    await desk.run()
    desk.rotation.force()
    await desk.run(after=6)
    await desk.run(after=300)
    assert [fields["reason"] for fields in desk.journal.named("token.minted")] == [
        Reason.ABSENT,
        Reason.FORCED,
        Reason.NEARING_EXPIRY,
    ]
    assert [record.scope for record in desk.sinks[0].history] == ["openid admin"] * 3


async def test_a_renewal_is_told_as_a_mint_and_its_deliveries_and_nothing_else(desk: Desk) -> None:
    await desk.run()
    await desk.run(after=300)
    assert desk.events == ["token.minted", "token.delivered", "token.delivered"] * 2


def hinting() -> Desk:
    """A provider that hints at half of the life, and a credential that would wait for nine tenths of it."""
    desk = Desk(spec=replace(Desk().spec, renew_at=0.9))
    desk.endpoint.refresh_in = 300.0
    return desk


async def test_a_token_is_renewed_when_the_provider_hints_although_its_sinks_were_looked_at_since() -> None:
    desk = hinting()
    await desk.run()
    for _ in range(3):
        await desk.run(after=60)
    assert len(desk.endpoint.requests) == 1
    await desk.run(after=120)
    assert len(desk.endpoint.requests) == 2


async def test_the_hint_outlasts_a_step_of_the_wall_clock_c01() -> None:
    desk = hinting()
    await desk.run()
    desk.clock.step(3600)
    desk.rotation.clock_was_set()
    await desk.run(after=300)
    assert len(desk.endpoint.requests) == 2


async def test_a_token_that_was_found_in_a_sink_goes_by_renew_at_for_records_carry_no_hint_r02() -> None:
    desk = hinting()
    await desk.run()
    desk.restart()
    await desk.run(after=300)
    await desk.run(after=60)
    assert len(desk.endpoint.requests) == 1


async def test_what_was_asked_for_once_is_done_once(desk: Desk) -> None:
    await desk.run()
    desk.rotation.force()
    for _ in range(3):
        await desk.run(after=6)
    assert len(desk.endpoint.requests) == 2


async def test_what_was_asked_for_and_failed_backs_off_like_any_other_mint(desk: Desk) -> None:
    await desk.run()
    desk.rotation.force()
    with desk.endpoint.faults.on("mint", DOWN):
        for _ in range(3):
            await desk.run(after=6)
    assert len(desk.endpoint.requests) == 2, "the held token is young: nothing is due any more"


async def test_two_tokens_of_one_credential_are_five_seconds_apart_whoever_asks(desk: Desk) -> None:
    await desk.run()
    for after, requests in ((1, 1), (3.9, 1), (0.1, 2)):
        desk.rotation.force()
        await desk.run(after)
        assert len(desk.endpoint.requests) == requests


class ChangedMeanwhile(MemoryEndpoint):
    """While it is asked with the first secret, somebody stores another one."""

    desk: Desk

    async def mint(self, credentials: ClientCredentials) -> Grant:
        self.desk.source.store("client", "right")
        return await super().mint(credentials)


async def test_a_secret_that_changed_while_it_was_asked_with_is_asked_with_at_once_through_the_gate_p14() -> None:
    desk = Desk()
    desk.endpoint = ChangedMeanwhile(desk.clock, accepts={"right"})
    desk.endpoint.desk = desk
    desk.restart()
    wait = await desk.run()
    assert len(desk.endpoint.requests) == 1, "one pass sends one request: the gate has let one through"
    assert (wait.wants_mint, wait.until) == (True, desk.clock.now().elapsed + policy.look_interval(desk.spec))
    await desk.run()
    assert desk.held == ["client.token.1"] * 2


async def test_a_provider_that_breaks_down_before_it_has_judged_the_previous_secret_has_refused_nobody(
    desk: Desk,
) -> None:
    desk.source.store("client", "new", "old")
    desk.endpoint.faults.next("mint", REFUSED, DOWN)
    wait = await desk.run()
    assert wait.reason is Reason.BACKING_OFF
    assert desk.journal.named("token.mint_failed")[0]["error"] == "provider_unavailable"


async def test_of_two_refused_secrets_the_newest_is_told_of(desk: Desk) -> None:
    desk.source.store("client", "new", "old")
    desk.endpoint.faults.next("mint", REFUSED, RotationError(Code.INVALID_CLIENT, "the old one is wrong too"))
    await desk.run()
    assert desk.journal.named("credential.rejected")[0]["detail"] == "the secret is wrong"


async def test_credentials_without_a_secret_are_asked_with_as_they_are(desk: Desk) -> None:
    class Bare:
        async def read(self) -> ClientCredentials:
            return ClientCredentials("client", (), "v1")

    rotation = Rotation(desk.spec, Bare(), desk.endpoint, desk.sinks, desk.clock, desk.journal)
    await rotation.run(OPEN)
    assert desk.held == ["client.token.1"] * 2


async def test_a_token_whose_life_is_over_when_it_arrives_is_rejected_and_asked_for_again_p32(desk: Desk) -> None:
    desk.endpoint.latency = desk.endpoint.lifetime = 30.0
    wait = await desk.run()
    (rejected,) = desk.journal.named("token.rejected")
    assert (rejected["error"], rejected["stage"], rejected["retryable"]) == ("expired_on_arrival", "verify", True)
    assert rejected["detail"] == "the provider handed out a token whose life is over"
    assert rejected["cure"] == Code.EXPIRED_ON_ARRIVAL.cure
    assert wait.reason is Reason.BACKING_OFF
    assert desk.held == [None, None]


async def test_a_token_that_ends_together_with_the_one_held_does_not_replace_it(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.lifetime = 300
    await desk.run(after=300)
    assert desk.held == ["client.token.1"] * 2
    assert desk.journal.named("token.rejected")[0]["kept"] == desk.journal.named("token.minted")[0]["fingerprint"]


async def test_failures_before_and_after_a_success_are_not_counted_together(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", DOWN, DOWN)
    for after in (0, 10, 40, 300, 10):
        if after == 300:
            desk.endpoint.faults.next("mint", DOWN)
        await desk.run(after)
    attempts = [fields["attempt"] for name, fields in desk.journal.events if name.startswith("token.mint_")]
    assert attempts == [1, 2, 1]


async def test_failures_of_two_kinds_are_not_counted_together(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", DOWN, SLOW, SLOW)
    for after in (0, 10, 10):
        await desk.run(after)
    attempts = [fields["attempt"] for name, fields in desk.journal.events if name.startswith("token.mint_")]
    assert attempts == [1, 1, 2]


async def test_a_request_whose_outcome_nobody_knows_is_told_as_such_p07(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", SLOW)
    await desk.run()
    assert desk.journal.named("token.mint_failed")[0]["ambiguous"] is True


NO_LEAVE = Surroundings(may_mint=False)


def kept(desk: Desk, seconds: float) -> RotationError:
    """A token is kept for so long, and could not be checked."""
    until = desk.clock.now().elapsed + seconds
    return RotationError(Code.VERIFY_UNAVAILABLE, "the API is away", kept_until=until)


async def test_a_token_that_waits_for_its_checks_is_checked_again_without_leave_to_mint(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", kept(desk, 60))
    await desk.run()
    wait = await desk.run(after=10, around=NO_LEAVE)
    assert len(desk.endpoint.requests) == 2
    assert not wait.wants_mint
    assert desk.held == ["client.token.1"] * 2
    assert "credential.recovered" in desk.events


async def test_a_token_that_has_waited_too_long_is_minted_anew_with_leave(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", kept(desk, 60))
    await desk.run()
    wait = await desk.run(after=60, around=NO_LEAVE)
    assert (len(desk.endpoint.requests), wait.wants_mint) == (1, True)


async def test_a_token_that_waits_for_its_checks_is_not_wanted_any_more_once_the_secret_has_changed(desk: Desk) -> None:
    desk.endpoint.faults.next("mint", kept(desk, 60))
    await desk.run()
    desk.source.store("client", "another")
    wait = await desk.run(after=10, around=NO_LEAVE)
    assert (len(desk.endpoint.requests), wait.wants_mint) == (1, True)
    await desk.run()
    assert desk.held == ["client.token.1"] * 2


STAGES = {
    Stage.READ: ("VAULT_", "SECRET_", "MOUNT_"),
    Stage.VERIFY: ("ANSWER_", "TOKEN_", "LIFETIME_", "SCOPE_", "EXPIRED_", "VERIFY_"),
    Stage.GRANT: ("PROVIDER_", "INVALID_", "UNAUTHORIZED_", "UNSUPPORTED_"),
}
OF_A_MINT = [(stage, code) for code in Code for stage, about in STAGES.items() if code.name.startswith(about)]


@pytest.mark.parametrize(("stage", "code"), OF_A_MINT, ids=[code.text for _, code in OF_A_MINT])
async def test_a_failed_mint_is_told_with_its_stage(stage: Stage, code: Code, desk: Desk) -> None:
    desk.endpoint.faults.next("mint", RotationError(code, "failed"))
    await desk.run()
    assert desk.journal.events[0][1]["stage"] is stage


async def test_a_token_is_told_as_expired_in_the_second_it_ends_p48(desk: Desk) -> None:
    await desk.run()
    with desk.endpoint.faults.on("mint", DOWN):
        await desk.run(after=599.9)
        assert "token.expired" not in desk.events
        await desk.run(after=0.1)
    assert "token.expired" in desk.events


async def test_of_several_expired_tokens_the_one_that_lived_longest_is_told_of(desk: Desk) -> None:
    await desk.run()
    first = desk.sinks[0].record
    await desk.run(after=300)
    last = desk.sinks[1].record
    assert last is not None
    for sinks in ([first, last], [last, first]):
        desk.sinks[0].record, desk.sinks[1].record = sinks
        desk.restart()
        with desk.endpoint.faults.on("mint", DOWN):
            await desk.run(after=1000)
        assert [fields["fingerprint"] for fields in desk.journal.named("token.expired")] == [last.fingerprint]


def _with_a_new_configuration(desk: Desk, sink: MemorySink) -> Rotation:
    changed = Rotation(replace(desk.spec, renew_at=0.8), desk.source, desk.endpoint, [sink], desk.clock, desk.journal)
    changed.inherit(desk.rotation)
    return changed


async def test_a_changed_configuration_takes_the_token_in_hand_over_and_mints_nothing_r05(desk: Desk) -> None:
    await desk.run()
    elsewhere = MemorySink("memory:elsewhere")
    await _with_a_new_configuration(desk, elsewhere).run(OPEN)
    assert elsewhere.record == desk.sinks[0].record
    assert len(desk.endpoint.requests) == 1


async def test_a_changed_configuration_takes_over_the_better_token_and_not_the_one_minted_last_r05(desk: Desk) -> None:
    await desk.run()
    desk.endpoint.lifetime = 60
    await desk.run(after=290)
    elsewhere = MemorySink("memory:elsewhere")
    await _with_a_new_configuration(desk, elsewhere).run(OPEN)
    assert elsewhere.record == desk.sinks[0].record


async def test_a_changed_configuration_asks_for_no_token_within_five_seconds_of_the_last_r05(desk: Desk) -> None:
    await desk.run()
    changed = _with_a_new_configuration(desk, MemorySink("memory:elsewhere"))
    changed.force()
    wait = await changed.run(OPEN)
    assert (wait.reason, len(desk.endpoint.requests)) == (Reason.THROTTLED, 1)


async def test_a_token_from_a_sink_is_adopted_once_although_a_worse_one_is_minted_meanwhile(desk: Desk) -> None:
    await desk.run()
    desk.restart()
    await desk.run()
    desk.endpoint.lifetime = 60
    for after in (300, 60):
        await desk.run(after)
    assert desk.events.count("token.rejected") >= 1
    assert desk.events.count("token.adopted") == 1


async def test_the_gate_is_asked_for_leave_again_for_every_token() -> None:
    desk = Desk(spec=CredentialSpec("billing", "thx", ()))
    await desk.run()
    desk.source.store("client", "changed")
    wait = await desk.run(after=60, around=Surroundings(may_mint=False))
    assert wait.wants_mint
    assert len(desk.endpoint.requests) == 1
