"""The metrics of a scrape, as a status with something of everything gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from rotator.operate.metrics import Meters
from tests.support.fleets import night_status
from tests.support.reference.commands import cell

if TYPE_CHECKING:
    from prometheus_client import Metric

INTRODUCTION = """\
# Metrics

What `GET /metrics` answers ([HTTP](http.md)), in the text format of Prometheus; made from a scrape. Names and
labels are a contract: they do not change within a major version. No label holds a client id, a scope or a path.

`credential`, `provider` and `vault` are names of the configuration, `vault` missing for `[vault]`; `sink` is a
kind of sink; `result` is `ok` or an [error code](../errors.md). Timestamps are POSIX seconds:
`rotator_token_expiry_timestamp_seconds - time()` is what is left. A figure that is not known has no sample. A
histogram has the series `…_bucket`, `…_sum` and `…_count`."""

OWN = {"le", "quantile"}
"""Labels that the format adds."""


def page() -> str:
    """docs/reference/metrics.md."""
    ours_first = sorted(families(), key=lambda one: (not one.name.startswith("rotator"), one.name))
    rows = [f"| `{_name(one)}` | {one.type} | {_labels(one)} | {cell(one.documentation)} |" for one in ours_first]
    return "\n".join([INTRODUCTION, "", "| metric | type | labels | meaning |", "|---|---|---|---|", *rows, ""])


def families() -> list[Metric]:
    """Every family of a scrape, each with a sample at least."""
    meters = Meters()
    meters.minted("thx", "ok", 0.05)
    meters.delivered("vault", "ok", 0.01)
    meters.late(0.0)
    meters.asked("served")
    status = night_status()
    status = replace(status, vaults=(replace(status.vault, name="emea"),))
    found = list(text_string_to_metric_families(meters.exposition(status).decode()))
    empty = [one.name for one in found if not one.samples]
    if empty:
        raise ValueError(f"no samples to read the labels of: {', '.join(empty)}")
    return found


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> str:
    found = dict.fromkeys(label for sample in family.samples for label in sample.labels if label not in OWN)
    return ", ".join(f"`{label}`" for label in found)
