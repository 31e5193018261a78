"""The quick part of `make reliability ARGS=fuzzing`."""

from __future__ import annotations

import importlib.util
from collections import Counter

import pytest

from tests.fuzz import checks
from tests.fuzz.targets import TARGETS, seeds
from tests.reliability import fuzzing


def test_damaged_answers_are_read_or_refused() -> None:
    codes: Counter[str] = Counter()
    assert fuzzing.by_grammar(3000, 1, codes, print) == (3000, 0)
    assert len(codes) > 15
    assert codes[checks.GRANTED]


def test_damaged_configurations_are_read_or_refused_g11() -> None:
    assert fuzzing.configurations(150, 1, print) == (150, 0)


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_begins_with_holds(name: str) -> None:
    begun = list(seeds(name, 1))
    for data in begun:
        TARGETS[name](data)
    assert begun


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is built for some platforms only")
def test_the_fuzzer_counts_what_it_ran() -> None:
    assert fuzzing.guided("kv_path", 200, 1, print) == (200, 0)
