"""What a scrape gets: the metrics of the product, with labels that tell nothing they should not, and true figures."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rotator.operate.metrics import Meters
from rotator.operate.status import State
from tests.support.fleets import NOW, UP, Case, night_status, status

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Sample

    from rotator.operate.status import Status

PRODUCT = {
    "rotator_token_expiry_timestamp_seconds": {"credential", "provider"},
    "rotator_token_next_mint_timestamp_seconds": {"credential", "provider"},
    "rotator_token_last_success_timestamp_seconds": {"credential", "provider"},
    "rotator_token_ready": {"credential", "provider"},
    "rotator_client_secret_expiry_timestamp_seconds": {"credential", "provider"},
    "rotator_consecutive_failures": {"credential", "provider"},
    "rotator_credential_state": {"credential", "provider", "state"},
    "rotator_mints_total": {"provider", "result"},
    "rotator_deliveries_total": {"sink", "result"},
    "rotator_mint_duration_seconds_bucket": {"provider", "le"},
    "rotator_delivery_duration_seconds_bucket": {"sink", "le"},
    "rotator_vault_authenticated": set(),
    "rotator_vault_token_expiry_timestamp_seconds": set(),
    "rotator_provider_retry_after_timestamp_seconds": {"provider"},
    "rotator_provider_in_outage": {"provider"},
    "rotator_provider_quota_used_ratio": {"provider"},
    "rotator_clock_steps_total": set(),
    "rotator_scheduling_lateness_seconds_bucket": {"le"},
    "rotator_build_info": {"version", "python"},
    "rotator_config_last_reload_successful": set(),
    "process_resident_memory_bytes": set(),
}
"""Samples and their labels."""


def scraped(shown: Status, meters: Meters | None = None) -> dict[str, Metric]:
    text = (meters or used()).exposition(shown).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def used() -> Meters:
    meters = Meters()
    meters.minted("thx", "ok", 0.03)
    meters.minted("thx", "provider_timeout", 10.0)
    meters.delivered("vault", "ok", 0.004)
    meters.late(0.001)
    return meters


def samples(shown: Status) -> list[Sample]:
    return [sample for family in scraped(shown).values() for sample in family.samples]


def value(shown: Status, name: str, **labels: str) -> float:
    (found,) = [one.value for one in samples(shown) if one.name == name and labels.items() <= one.labels.items()]
    return found


@pytest.mark.parametrize("name", PRODUCT)
def test_every_metric_of_the_product_is_there_with_its_labels(name: str) -> None:
    found = [sample for sample in samples(night_status()) if sample.name == name]
    assert found
    assert {frozenset(sample.labels) for sample in found} == {frozenset(PRODUCT[name])}


def test_no_metric_has_a_label_that_is_not_agreed_on() -> None:
    assert {label for sample in samples(night_status()) for label in sample.labels} == {
        "credential", "provider", "state", "sink", "result", "le", "version", "python",
    }  # fmt: skip


def test_no_label_holds_a_scope_a_path_or_anything_of_a_token() -> None:
    case = Case("billing", scope="a-scope-of-its-own", sinks={"vault:secret/tokens/a-path": None, "file:/run/x": None})
    labels = {text for sample in samples(status([case])) for text in sample.labels.values()}
    token = case.tokens()[0]
    for text in ("a-scope-of-its-own", "a-path", "/run/x", token.fingerprint, token.access_token.reveal()):
        assert not any(text in label for label in labels)


def test_dates_are_posix_seconds_of_the_wall_clock() -> None:
    shown = status([Case("billing", ages=(150.0, 425.0))])
    (credential,) = shown.credentials
    issued = NOW.wall.timestamp() - 150
    assert value(shown, "rotator_token_expiry_timestamp_seconds") == pytest.approx(issued + 600)
    assert value(shown, "rotator_token_last_success_timestamp_seconds") == pytest.approx(issued)
    ahead = credential.next_mint.at - NOW.elapsed
    assert value(shown, "rotator_token_next_mint_timestamp_seconds") == pytest.approx(NOW.wall.timestamp() + ahead)
    assert value(shown, "rotator_vault_token_expiry_timestamp_seconds") == pytest.approx(NOW.wall.timestamp() + 2650)


def test_the_end_of_a_client_secret_has_a_sample_where_its_source_names_one() -> None:
    shown = status([Case("billing", secret_ends_in=7.0), Case("search")])
    ends = NOW.wall.timestamp() + 7 * 86400
    assert value(shown, "rotator_client_secret_expiry_timestamp_seconds") == pytest.approx(ends)


def test_the_worst_sink_decides_when_a_credential_expires() -> None:
    case = Case("billing", ages=(150.0, 425.0), behind=True)
    expires = NOW.wall.timestamp() - 425 + 600
    assert value(status([case]), "rotator_token_expiry_timestamp_seconds") == pytest.approx(expires)


def test_a_figure_that_is_not_known_has_no_sample() -> None:
    shown = status([Case("reports", ages=(), looked=False)], vault=replace(UP, token_expires=None))
    known = {sample.name for sample in samples(shown)}
    assert known.isdisjoint(
        {
            "rotator_token_expiry_timestamp_seconds",
            "rotator_token_last_success_timestamp_seconds",
            "rotator_vault_token_expiry_timestamp_seconds",
        }
    )
    assert value(shown, "rotator_token_ready") == 0
    assert value(shown, "rotator_token_next_mint_timestamp_seconds") == pytest.approx(NOW.wall.timestamp())


def test_a_vault_token_without_an_end_never_expires() -> None:
    shown = status([], vault=replace(UP, token_expires=math.inf))
    assert value(shown, "rotator_vault_token_expiry_timestamp_seconds") == math.inf


def test_of_the_states_of_a_credential_exactly_one_is_shown_and_all_are_counted() -> None:
    shown = night_status()
    states = [one for one in samples(shown) if one.name == "rotator_credential_state"]
    assert {one.labels["credential"]: one.labels["state"] for one in states} == {
        one.name: str(one.state) for one in shown.credentials
    }
    assert {one.value for one in states} == {1}
    counted = {one.labels["state"]: one.value for one in samples(shown) if one.name == "rotator_credentials"}
    assert counted == {str(state): count for state, count in shown.counts().items()}
    assert counted.keys() == set(State)


def test_a_provider_that_wants_peace_says_until_when_and_one_that_does_not_says_0() -> None:
    name = "rotator_provider_retry_after_timestamp_seconds"
    assert value(night_status(), name, provider="entra") == pytest.approx(NOW.wall.timestamp() + 47)
    assert value(night_status(), name, provider="thx") == 0
    assert value(night_status(), "rotator_provider_in_outage", provider="thx") == 1


def test_a_quota_is_told_as_the_share_that_is_used_and_a_provider_without_one_has_no_sample() -> None:
    quotas = [one for one in samples(night_status()) if one.name == "rotator_provider_quota_used_ratio"]
    assert [one.labels for one in quotas] == [{"provider": "entra"}]
    assert quotas[0].value == pytest.approx(0.085)


def test_health_readiness_and_the_last_reload_are_gauges() -> None:
    names = ("rotator_healthy", "rotator_ready", "rotator_config_last_reload_successful")
    well = status([])
    ill = status([], faults=["x"], unready=["y"], reloaded=False)
    assert [value(well, name) for name in names] == [1, 1, 1]
    assert [value(ill, name) for name in names] == [0, 0, 0]


def test_what_happens_is_counted_by_its_result_and_timed() -> None:
    shown = status([])
    assert value(shown, "rotator_mints_total", provider="thx", result="ok") == 1
    assert value(shown, "rotator_mints_total", provider="thx", result="provider_timeout") == 1
    assert value(shown, "rotator_deliveries_total", sink="vault", result="ok") == 1
    assert value(shown, "rotator_mint_duration_seconds_count", provider="thx") == 2
    assert value(shown, "rotator_mint_duration_seconds_bucket", provider="thx", le="0.05") == 1
    assert value(shown, "rotator_delivery_duration_seconds_sum", sink="vault") == pytest.approx(0.004)
    assert value(shown, "rotator_scheduling_lateness_seconds_bucket", le="0.005") == 1


def test_nothing_is_told_twice() -> None:
    found = [(one.name, tuple(sorted(one.labels.items()))) for one in samples(night_status())]
    assert len(found) == len(set(found))
