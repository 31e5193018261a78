"""Commands of a process that is as closed as rotator is under systemd: they run, and inherit what does them no harm."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

CLOSED = textwrap.dedent(
    """
    import asyncio, ctypes, os, sys
    from rotator.hooks.command import ExecHook
    from rotator.hooks.signalling import SignalHook
    from rotator.hooks.webhook import WebhookHook
    from rotator.operate.hardening import harden
    from tests.integration.hooks.bench import occasion

    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(4711)
        os.setuid(4711)
    harden()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS, as NoNewPrivileges=
    denied = libc.prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE, as MemoryDenyWriteExecute= has it since systemd 254
    os.environ["HUSH"] = "hush"
    asyncio.run(ExecHook((sys.argv[1],), token_stdin=True).run(occasion()))
    print("MDWE" if denied else "no MDWE")
    """
)

LOOK = """\
#!/bin/sh
cd "${0%/*}"
exec > seen
cat
echo
umask
ulimit -c
grep NoNewPrivs "/proc/$$/status"
tr '\\0' '\\n' < "/proc/$$/environ" | sort
python3 -c 'import ctypes; print("dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))' 2> /dev/null || echo "dumpable ?"
"""


def test_a_command_of_a_closed_process_runs_and_is_not_closed_itself() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o777)
        hook = home / "hook"
        hook.write_text(LOOK)
        hook.chmod(0o755)
        command = [sys.executable, "-c", CLOSED, str(hook)]
        told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."})
        assert told.returncode == 0, told.stderr
        token, umask, core, privileges, *environ, dumpable = (home / "seen").read_text().splitlines()
    assert token == "token.one"
    assert umask.lstrip("0") == "77"
    assert core == "0"
    assert privileges.split() == ["NoNewPrivs:", "1"]
    assert not any("hush" in line or "token.one" in line for line in environ)
    assert len([line for line in environ if line.startswith("ROTATOR_")]) == 4
    if dumpable == "dumpable ?":
        pytest.skip("there is no python3 to ask whether it may be looked into")
    # Closed is rotator, whose memory holds secrets; a program that it starts is as any other of that user (prctl(2)).
    assert dumpable == "dumpable 1"
