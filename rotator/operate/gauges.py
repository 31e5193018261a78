"""The gauges of each credential as Prometheus reads them, written straight as text.

There may be a hundred thousand credentials with seven samples each, and an object of the library for each sample takes
ten times as long. All else goes through the library: see `rotator.operate.metrics`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

from rotator.operate.status import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rotator.operate.status import CredentialStatus, Status

FIGURES: Sequence[tuple[str, str, Callable[[CredentialStatus, Status], float]]] = (
    (
        "rotator_token_expiry_timestamp_seconds",
        "When the first consumer is left with an expired token.",
        lambda one, status: posix(one.served_until, status),
    ),
    (
        "rotator_token_next_mint_timestamp_seconds",
        "When the next token is asked for.",
        lambda one, status: posix(max(one.next_mint.at, status.now.elapsed), status),
    ),
    (
        "rotator_token_last_success_timestamp_seconds",
        "When the provider last gave a token.",
        lambda one, status: posix(one.last_success, status),
    ),
    (
        "rotator_token_ready",
        "Whether every consumer holds an unexpired token.",
        lambda one, status: float(one.served_until > status.now.elapsed),
    ),
    (
        "rotator_client_secret_expiry_timestamp_seconds",
        "When the client secret ends, as its source says.",
        lambda one, _: math.inf if one.secret is None else one.secret.at.timestamp(),
    ),
    ("rotator_consecutive_failures", "Failures in a row.", lambda one, _: float(one.attempts)),
)
"""One family each: its name, what it tells, and its figure for a credential; infinite where there is none yet."""

STATE = "rotator_credential_state"


def credential_gauges(status: Status) -> str:
    """Every family, in the text format of Prometheus; a credential for which there is no figure has no sample."""
    return "".join(_lines(status))


def posix(elapsed: float, status: Status) -> float:
    """A reading of the elapsed clock as POSIX seconds; what is infinite stays so."""
    return status.now.wall.timestamp() + elapsed - status.now.elapsed


def _lines(status: Status) -> Iterator[str]:
    labelled = [(_labels(one), one) for one in status.credentials]
    for name, words, figure in FIGURES:
        yield _head(name, words)
        for labels, one in labelled:
            value = figure(one, status)
            if math.isfinite(value):
                yield f"{name}{{{labels}}} {_number(value)}\n"
    yield _head(STATE, f"1 for the present state: {', '.join(State)}.")
    for labels, one in labelled:
        yield f'{STATE}{{{labels},state="{one.state}"}} 1.0\n'


def _head(name: str, words: str) -> str:
    return f"# HELP {name} {words}\n# TYPE {name} gauge\n"


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # the library gives it no types
    return text


def _labels(one: CredentialStatus) -> str:
    return f'credential="{_escaped(one.name)}",provider="{_escaped(one.provider)}"'


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
