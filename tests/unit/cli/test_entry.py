"""The command line's first words, and a look ahead that is forced."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from rotator import __version__
from rotator.cli import app, foreground
from tests.unit.cli.test_checking import configuration

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_version_is_told_with_what_a_report_of_a_defect_needs() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    version, commit, python, system = done.output.splitlines()
    assert (version, commit.split()[0]) == (f"rotator {__version__}", "commit")
    assert python.startswith(f"Python {platform.python_version()} ")
    assert platform.machine() in system


def test_a_look_ahead_that_is_forced_says_so_and_why_it_could_not_be_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert foreground.rotate(configuration(tmp_path), [], "json", force=True, dry_run=True) == 1
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["credential"], line["action"], line["reason"], line["error"]) == (
        "billing",
        "mint",
        "forced",
        "vault_unavailable",
    )
