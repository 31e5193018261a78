"""The gauges of credentials, which are written without the library, are what the library would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from rotator.operate.gauges import FIGURES, STATE, credential_gauges
from tests.support.fleets import Case, large, night_status, status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from rotator.operate.status import Status

ODD = status([Case('quo"ted', "back\\slash"), Case("two\nlines", "\\n"), Case("große", "é", secret_ends_in=7.0)])
SHOWN = {"a night": night_status(), "none": status([]), "many": status(large(300)), "odd names": ODD}


class Read(Collector):
    """What a scraper reads in a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def collect(self) -> Iterator[Metric]:
        yield from text_string_to_metric_families(self._text)


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_what_a_scraper_reads_is_written_by_the_library_as_it_was_written_here(shown: Status) -> None:
    text = credential_gauges(shown)
    library = CollectorRegistry()
    library.register(Read(text))
    assert generate_latest(library).decode() == text


def test_every_credential_has_a_state_and_the_names_that_it_is_known_by() -> None:
    families = {one.name: one for one in text_string_to_metric_families(credential_gauges(ODD))}
    assert list(families) == [*[name for name, _, _ in FIGURES], STATE]
    assert [(one.labels["credential"], one.labels["provider"]) for one in families[STATE].samples] == [
        (one.name, one.provider) for one in ODD.credentials
    ]
