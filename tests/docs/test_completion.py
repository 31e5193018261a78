"""Completion works in the shells that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import example

PATH = f"{Path(sys.executable).parent}:{os.defpath}"
ASK = {
    "bash": ". ./rotator.bash; COMP_WORDS=(rotator hea); COMP_CWORD=1; _rotator_completion rotator; "
    "echo ${COMPREPLY[@]}",
    "zsh": "autoload -U compinit; compinit -u -D; _arguments() { print -r -- $@ }; compadd() { print -r -- $@ }; "
    "_describe() { print -r -- ${(P)2} ${(P)3} }; . ./_rotator; words=(rotator hea); CURRENT=2; _rotator_completion",
    "fish": ". ./rotator.fish; complete --do-complete 'rotator hea'",
}


@pytest.mark.parametrize("shell", ASK)
def test_a_shell_completes_a_command(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell, path=os.defpath) is None:
        pytest.skip(f"{shell} is not here")
    environment = {"HOME": str(tmp_path), "PATH": PATH}
    shown = ["bash", "-euc", example("docs/howto/completion.md", "show")]
    subprocess.run(shown, cwd=tmp_path, env=environment, check=True)
    asked = [shell, "-c", ASK[shell]]
    done = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "healthcheck" in done.stdout, done.stderr


@pytest.mark.parametrize(("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish")])
def test_installing_finds_out_which_shell_asks(shell: str, file: str, tmp_path: Path) -> None:
    if shutil.which(shell, path=os.defpath) is None:
        pytest.skip(f"{shell} is not here")
    # `; true`: a shell with one command only would become that command, and nobody would be asking.
    done = subprocess.run(
        [shell, "-c", "rotator --install-completion; true"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{shell} completion installed" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / file).exists()
