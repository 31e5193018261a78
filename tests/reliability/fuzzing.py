"""What strangers and people in a hurry may write is read by rotator's own functions: token answers, Vault's answers,
Retry-After, durations and other values of the configuration, whole configurations, token files, Vault paths, records,
and the redaction. Inputs come from a fuzzer that is guided by coverage (atheris), in a process for each function, and
from a grammar of token answers that damages values, keys and bytes by chance. After each input its check must hold: a
value within bounds, or a refusal of our own kind with nothing of the canary secrets in it; never another exception,
never ten seconds. Only inputs that ran to their end are counted.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from rotator.settings.load import load
from rotator.settings.problems import ConfigError
from tests.fuzz import checks, grammar
from tests.fuzz.targets import TARGETS
from tests.reliability.figures import Figure
from tests.unit.settings.home import GOOD, Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TITLE = "Fuzzing"
SEED = 20261124
READER, GUIDED_READER = 1_050_000, 550_000
"""Inputs to the reader of token answers: all, and those of them that coverage guides where atheris is installed."""

OTHERS = 40_000
CONFIGURATIONS = 10_000
LONGEST = 1800.0
"""Seconds for one function."""

ROOT = Path(__file__).resolve().parents[2]


class Found(NamedTuple):
    """What became of the inputs to one function."""

    inputs: int
    failures: int


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    has_atheris = importlib.util.find_spec("atheris") is not None
    found = {name: guided(name, OTHERS, seed, say) for name in TARGETS if name != "answer"} if has_atheris else {}
    reader = guided("answer", GUIDED_READER, seed, say) if has_atheris else Found(0, 0)
    codes: Counter[str] = Counter()
    damaged = by_grammar(READER - reader.inputs, seed, codes, say)
    found["configuration"] = configurations(CONFIGURATIONS, seed, say)
    failures = sum(one.failures for one in (reader, damaged, *found.values()))
    inputs = reader.inputs + damaged.inputs
    return [
        Figure("inputs to the reader of token answers", "≥ 1,000,000", f"{inputs:,}", inputs >= 1_000_000),
        Figure("of them guided by coverage", "", f"{reader.inputs:,}"),
        Figure("of them from the grammar", "", f"{damaged.inputs:,}"),
        Figure("kinds of refusal that the grammar led to", "≥ 15", f"{len(codes) - 1}", len(codes) > 15),
        Figure("of its inputs taken as a token", "> 0", f"{codes[checks.GRANTED]:,}", codes[checks.GRANTED] > 0),
        *(Figure(f"inputs to {name}", "", f"{one.inputs:,}") for name, one in sorted(found.items())),
        Figure("exceptions other than a refusal of our own, secrets in one, hangs", "0", f"{failures}", failures == 0),
    ]


def guided(target: str, runs: int, seed: int, say: Callable[[str], None]) -> Found:
    """Let atheris look for inputs."""
    with tempfile.TemporaryDirectory() as place:
        count = Path(place) / "count"
        command = [sys.executable, "-m", "tests.fuzz.guided", target, str(runs), str(seed % 2**31), str(count)]
        begun = time.perf_counter()
        try:
            ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LONGEST, check=False)
            failed, words = ran.returncode != 0, ran.stderr + ran.stdout
        except subprocess.TimeoutExpired:
            failed, words = True, b"it did not end"
        inputs = int.from_bytes(count.read_bytes(), "little") if count.exists() else 0
    say(f"{target}: {inputs:,} inputs guided by coverage in {time.perf_counter() - begun:.0f} s")
    if failed:
        say(words.decode(errors="replace")[-2000:])
    return Found(inputs, int(failed))


def by_grammar(count: int, seed: int, codes: Counter[str], say: Callable[[str], None]) -> Found:
    """Read so many damaged answers; `codes` counts what became of them."""
    chance = Random(seed)  # noqa: S311  chance, no secret
    secrets = (checks.SECRET, checks.THORNY, checks.PASSPHRASE)
    begun, failures = time.perf_counter(), 0
    for number in range(count):
        status, expected = chance.choice(grammar.STATUSES), chance.choice(checks.EXPECTATIONS)
        body = grammar.body(chance, secrets[number % len(secrets)])
        try:
            codes[checks.answer(status, body, expected, whole=number % 100 == 0)] += 1
        except Exception as error:  # noqa: BLE001  any exception is a finding, and is counted as one
            failures += 1
            say(f"input {number} of seed {seed}: {type(error).__name__}")
    say(f"answer: {count:,} inputs from the grammar in {time.perf_counter() - begun:.0f} s")
    return Found(count, failures)


def configurations(count: int, seed: int, say: Callable[[str], None]) -> Found:
    """Read so many configurations, damaged and with secrets in wrong places, from a file."""
    begun, failures = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as place:
        home = Home(Path(place))
        for number, text in enumerate(_texts(count, seed)):
            home.file.write_bytes(text.encode(errors="surrogatepass"))
            try:
                load(home.file, {})
            except ConfigError as error:
                failures += bool(checks.SEARCHER.look_at_error(error, "a refusal"))
            except Exception as error:  # noqa: BLE001  any other exception is a finding, and is counted as one
                failures += 1
                say(f"configuration {number} of seed {seed}: {type(error).__name__}")
    say(f"configuration: {count:,} inputs in {time.perf_counter() - begun:.0f} s")
    return Found(count, failures)


def _texts(count: int, seed: int) -> Iterator[str]:
    chance = Random(seed)  # noqa: S311  chance, no secret
    lines = GOOD.splitlines()
    for _ in range(count):
        text = list(lines)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(text))
            key, equals, _ = text[place].partition(" = ")
            value = grammar.value(chance, checks.SECRET)
            changed = (f"{key} = {value}", f"{text[place]}\n{key or 'x'} = {value}", value, "", text[place][:-1])
            text[place] = chance.choice(changed if equals else changed[1:])
        yield "\n".join(text) + "\n"
