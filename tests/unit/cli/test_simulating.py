"""What `simulate` says that it did, for people who asked for more than an outage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.cli.simulating import SHOWN, Question, answer

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
[vault]
address = "https://vault.example.com:8200"

[vault.auth]
method = "token"
token_file = "token"

[providers.thx]
token_url = "https://auth.example.com/token"
"""
CREDENTIAL = """
[credentials.c{number}]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/c{number}" }}
sinks = [{{ type = "vault", path = "secret/tokens/c{number}" }}]
"""


def _configuration(home: Path, credentials: int) -> Path:
    secret = home / "token"
    secret.write_text("hvs.CANARY")
    secret.chmod(0o600)
    file = home / "config.toml"
    file.write_text(HEAD + "".join(CREDENTIAL.format(number=number) for number in range(credentials)))
    return file


WORDS = {
    "nothing": (Question(), "nothing out of the ordinary."),
    "an outage of all": (Question(outage=30), "every provider away for 30s."),
    "errors of one": (Question(outage=30, errors=0.5, provider="thx"), "thx failing 50% of requests for 30s."),
    "an outage of Vault": (Question(vault_outage=30), "Vault away for 30s."),
    "a sleep": (Question(suspend=60), "the machine asleep for 1m."),
    "a clock set forward": (Question(step=60), "the wall clock set by +1m."),
    "a clock set back": (Question(step=-60), "the wall clock set by -1m."),
    "a restart, too": (
        Question(outage=30, restart=True),
        "every provider away for 30s; rotator killed and started again in the middle.",
    ),
}


@pytest.mark.parametrize("what", WORDS)
def test_what_was_simulated_is_said_in_words(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question, words = WORDS[what]
    answer(_configuration(tmp_path, 1), question, "text")
    assert f"Simulated: {words}" in " ".join(capsys.readouterr().out.split())


def test_more_credentials_than_fit_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(_configuration(tmp_path, SHOWN + 3), Question(outage=10), "text") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "and 3 more" in told
    assert "No consumer would hold an expired token at any time." in told
