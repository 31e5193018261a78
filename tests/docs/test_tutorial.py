"""The tutorial is walked through, from its first command to its last, against the servers that it starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.demo import ports
from tests.support.pages import examples, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = "docs/tutorial/first-credential.md"
BY_HAND = "by-hand"
"""The label of what the test has done already: installing."""

VAULT_PORT = "8200"


def walked() -> str:
    """The commands of the page, as one script that ends at the first that fails."""
    parts = [one.text for one in examples(PAGE, "sh") if one.label != BY_HAND]
    assert len(parts) > 10
    return "set -eu\n" + "\n".join(parts)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


@pytest.fixture
def shell(place: Path) -> Iterator[subprocess.Popen[str]]:
    """A shell of its own session, all of which is ended whatever happens."""
    port = str(ports.to_try(0)[0])
    script = walked()
    assert script.count(VAULT_PORT) > 1
    # What a new terminal has, and rotator on its PATH.
    environment = {"HOME": str(place), "PATH": f"{Path(sys.executable).parent}:{os.defpath}", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        ["bash", "-c", script.replace(VAULT_PORT, port)],
        cwd=place,
        env={**environment, "COLUMNS": "120", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    with contextlib.suppress(ProcessLookupError):  # all have ended, as the page has it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@pytest.mark.timeout(240)
def test_the_tutorial_leads_to_a_token_and_shows_what_it_says(shell: subprocess.Popen[str], place: Path) -> None:
    told, _ = shell.communicate(timeout=220)
    assert shell.returncode == 0, told
    shown = [line for one in examples(PAGE, "text") for line in one.text.splitlines()]
    assert unsaid([line.replace("127.0.0.1:8200", "127.0.0.1:…") for line in shown], told) == [], told
    secret = (place / "first-token/client-secret").read_text()
    assert secret not in told + (place / "first-token/rotator.log").read_text()
