"""The quick part of `make reliability ARGS=hostile-answers`: each kind of answer once, in a process of its own."""

from __future__ import annotations

from tests.reliability.hostile_answers import DEADLINE, KINDS, LATE, MOST_MEMORY, expose

QUICK = [kind for kind in KINDS if "dripping" not in kind]


async def test_hostile_answers_cost_little_memory_and_end_at_the_deadline_p37_p38_p39_p42() -> None:
    outcomes = await expose(QUICK, times=1)
    assert {kind: outcome.grown for kind, outcome in outcomes.items() if outcome.grown >= MOST_MEMORY} == {}
    assert {kind: outcome.seconds for kind, outcome in outcomes.items() if outcome.seconds > DEADLINE + LATE} == {}
    assert {kind: outcome.codes for kind, outcome in outcomes.items() if not outcome.is_refused} == {}
    assert len(outcomes) >= 12
