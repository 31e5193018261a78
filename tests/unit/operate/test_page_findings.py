"""What the page says is wrong: one sentence for one cause, the worst cause first."""

from __future__ import annotations

import pytest

from rotator.core.errors import Code
from rotator.core.observation import Stage
from rotator.operate.page.findings import finding, findings
from rotator.operate.page.query import Query
from rotator.operate.page.rows import select
from rotator.operate.status import State, VaultStatus
from tests.support import fleets
from tests.support.fleets import NOW, Case, failure, status

AWAY = failure(Code.PROVIDER_TIMEOUT, Stage.GRANT, 300.0, 12, "no whole answer within 10 s")
SEALED = failure(Code.VAULT_UNAVAILABLE, Stage.READ, 200.0, 9, "Vault answered 503: sealed")


def down(code: Code = Code.VAULT_UNAVAILABLE) -> VaultStatus:
    address = "https://vault.example.com"
    return VaultStatus(
        address, entered=True, authenticated=False, token_expires=None, trouble=code, detail="503: sealed"
    )


def test_a_good_fleet_has_no_findings() -> None:
    assert findings(status([Case("a"), Case("b")])) == []


def test_an_outage_of_one_provider_is_one_finding() -> None:
    cases = [Case(f"c{number}", ages=(200.0 + number,), mint=AWAY) for number in range(300)]
    (found,) = findings(status(cases))
    assert found.headline == (
        "300 credentials of thx get no token: provider_timeout, for 5 min. "
        "Consumers are safe for 1 min 41 s more, those of c299 the shortest."
    )
    assert (found.hit, found.names) == (300, ("c299", "c298", "c297", "c296", "c295"))


def test_two_providers_that_are_away_are_two_findings_the_more_urgent_first() -> None:
    cases = [Case("later", "one", ages=(100.0,), mint=AWAY), Case("sooner", "two", ages=(400.0,), mint=AWAY)]
    assert [one.names for one in findings(status(cases))] == [("sooner",), ("later",)]


def test_a_sealed_vault_is_one_finding_whichever_providers_the_credentials_are_of() -> None:
    cases = [Case("a", "one", mint=SEALED), Case("b", "two", mint=SEALED)]
    (found,) = findings(status(cases, vault=down()))
    assert found.headline.startswith("a and b cannot read their client credentials: vault_unavailable, for 3 min 20 s.")


def test_a_vault_that_is_away_is_told_before_any_credential_fails_for_it() -> None:
    (found,) = findings(status([Case("a")], vault=down()))
    assert found.headline == "Vault cannot be used: vault_unavailable. Consumers are safe for 7 min 30 s more."
    assert (found.found, found.cure) == ("503: sealed", Code.VAULT_UNAVAILABLE.cure)


@pytest.mark.parametrize(
    ("ends_in", "headline", "state"),
    [
        pytest.param(29.5, "The client secret of a ends in 29 d 12 h.", State.PENDING, id="within 30 days"),
        pytest.param(6.5, "The client secret of a ends in 6 d 12 h.", State.PENDING, id="within 7 days"),
        pytest.param(0.5, "The client secret of a ends in 12 h.", State.FAILING, id="within a day"),
        pytest.param(-2.0, "The client secret of a ended 2 d ago.", State.FAILING, id="ended"),
    ],
)
def test_a_client_secret_that_ends_soon_is_a_finding_of_the_fleet_and_of_its_credential(
    ends_in: float, headline: str, state: State
) -> None:
    shown = status([Case("a", secret_ends_in=ends_in), Case("b", secret_ends_in=31.0)])
    (found,) = findings(shown)
    assert (found.headline, found.state, found.names) == (headline, state, ("a",))
    assert "client_secret_previous" in found.cure
    assert found == finding(shown.credentials[0], shown.now)
    assert finding(shown.credentials[1], shown.now) is None


def test_client_secrets_that_end_within_the_same_days_are_one_finding_the_nearest_first() -> None:
    cases = [Case(f"c{number}", secret_ends_in=number) for number in range(2, 40)]
    week, month = findings(status(cases))
    assert week.headline == "The client secrets of 6 credentials end, that of c2 first, in 2 d."
    assert (month.hit, month.names) == (23, ("c8", "c9", "c10", "c11", "c12"))


def test_what_hits_consumers_comes_before_a_secret_that_ends_today() -> None:
    cases = [Case("soon", secret_ends_in=0.1), Case("now", mint=AWAY)]
    assert [one.names for one in findings(status(cases))] == [("now",), ("soon",)]


def test_one_that_has_expired_says_since_when() -> None:
    (found,) = findings(status([Case("a", ages=(700.0,), mint=AWAY)]))
    assert found.state is State.EXPIRED
    assert found.headline.endswith("Consumers have held an expired token for 1 min 40 s.")
    assert found.served is not None
    assert (found.served.iso, found.served.relative) == ("2026-11-24T03:10:25Z", "1 min 40 s ago")


def test_one_that_has_expired_of_several_is_named() -> None:
    cases = [Case("gone", ages=(700.0,), mint=AWAY), Case("safe", ages=(500.0,), mint=AWAY)]
    (found,) = findings(status(cases))
    assert found.headline.endswith("Consumers of gone hold no good token; the others are safe for 1 min 40 s more.")


def test_one_that_was_never_minted_and_fails_has_consumers_without_a_token() -> None:
    (found,) = findings(status([Case("new", ages=(), mint=AWAY)]))
    assert found.headline == "new gets no token: provider_timeout, for 5 min. Its consumers hold no token."


def test_a_sink_that_was_never_written_leaves_some_consumers_without() -> None:
    full = failure(Code.FILE_NO_SPACE, Stage.DELIVER, 95.0, 6)
    case = Case("a", ages=(100.0,), sinks={"vault:a": None, "file:/a": full})
    (found,) = findings(status([case]))
    assert found.headline == "a cannot be delivered: file_no_space, for 1 min 35 s. Some consumers hold no token."


def test_what_was_not_begun_is_no_alarm() -> None:
    (found,) = findings(status([Case("new", ages=(), looked=False)]))
    assert (found.state, found.headline) == (
        State.PENDING,
        "new is not yet minted or delivered; nothing has failed.",
    )


def test_one_that_expired_before_any_attempt_is_told_as_that() -> None:
    (found,) = findings(status([Case("a", ages=(700.0,))]))
    assert found.headline == (
        "a has no good token, and no attempt has failed yet. Consumers have held an expired token for 1 min 40 s."
    )


def test_a_rotator_that_has_stopped_comes_before_everything_else() -> None:
    cases = [Case("gone", ages=(700.0,), mint=AWAY), Case("safe", ages=(100.0,))]
    first, second = findings(status(cases, faults=["the sentinel has not looked at the clocks for 31 s"]))
    assert first.headline == (
        "rotator itself has stopped making progress: the sentinel has not looked at the clocks for 31 s. "
        "Consumers are served for 8 min 20 s more."
    )
    assert second.names == ("gone",)


def test_a_refused_reload_is_a_finding_that_hits_no_consumer() -> None:
    (found,) = findings(status([Case("a")], reloaded=False))
    assert (found.hit, found.served) == (0, None)
    assert "`rotator check`" in found.cure


def test_expired_comes_before_parked_before_failing_before_pending() -> None:
    assert [one.state for one in findings(fleets.night_status())] == [
        State.EXPIRED,
        State.PARKED,
        State.FAILING,
        State.PENDING,
    ]


@pytest.mark.parametrize("number", range(4))
def test_the_link_of_a_finding_shows_what_it_hits(number: int) -> None:
    rotator = fleets.night_status()
    found = findings(rotator)[number]
    assert found.query is not None
    if found.query.name:
        assert (found.query.name,) == found.names
    else:
        shown = [one.name for one in select(rotator, found.query).shown]
        assert shown[: len(found.names)] == list(found.names)
        assert len(shown) == found.hit


def test_one_credential_has_the_same_finding_alone() -> None:
    rotator = fleets.night_status()
    ledger = next(one for one in rotator.credentials if one.name == "ledger")
    assert finding(ledger, NOW) in findings(rotator)


def test_a_fresh_one_has_none() -> None:
    assert finding(Case("a").status(), NOW) is None


def test_a_secret_in_a_detail_is_cut() -> None:
    leaky = failure(Code.PROVIDER_REFUSED, Stage.GRANT, 60.0, 1, "client_secret=CANARY-CANARY was refused")
    (found,) = findings(status([Case("a", mint=leaky)]))
    assert found.found == "client_secret=[redacted] was refused"


def test_the_query_of_one_is_its_detail() -> None:
    (found,) = findings(status([Case("a", mint=AWAY)]))
    assert found.query == Query(name="a")
