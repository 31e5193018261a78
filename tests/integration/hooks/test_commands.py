"""Commands after a write: real programs, well-behaved and otherwise."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.contract import NOW, record
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.hooks.command import ExecHook, systemd_hook
from tests.integration.hooks.bench import DEADLINE, children, descriptors, lives, occasion, script, until, written
from tests.support.canary import Searcher, canary

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No child and no descriptor outlives a test."""
    before = children(), descriptors()
    yield
    ends = time.thread_time() + 1
    while (children(), descriptors()) != before and time.thread_time() < ends:
        os.sched_yield()
    assert (children(), descriptors()) == before


async def fails(hook: ExecHook, of: TokenRecord | None = None) -> RotationError:
    with pytest.raises(RotationError) as caught:
        async with asyncio.timeout(DEADLINE):
            await hook.run(occasion(of))
    return caught.value


async def test_a_command_is_told_of_the_write_and_of_nothing_else(tmp_path: Path) -> None:
    await ExecHook((script(tmp_path, 'env > "$HOME_OF_TEST/env"; pwd >> "$HOME_OF_TEST/env"'),)).run(occasion())
    lines = (tmp_path / "env").read_text().splitlines()
    assert lines.pop() == "/"
    told = dict(line.split("=", 1) for line in lines)
    assert told.pop("PATH").split(":")[-1] == "/bin"
    told.pop("PWD")  # the shell's own
    assert told == {
        "LANG": "C.UTF-8",
        "ROTATOR_CREDENTIAL": "billing",
        "ROTATOR_SINK": "file:/run/rotator/billing.token",
        "ROTATOR_FINGERPRINT": record().fingerprint,
        "ROTATOR_EXPIRES_AT": record().metadata()["expires_at"],
    }


async def test_arguments_reach_the_command_as_they_are(tmp_path: Path) -> None:
    arguments = ("a b", "$HOME", "; exit 3", "*", "", "ü")
    show = script(tmp_path, 'for one in "$@"; do echo "<$one>"; done > "$HOME_OF_TEST/arguments"')
    await ExecHook((show, *arguments)).run(occasion())
    assert (tmp_path / "arguments").read_text().splitlines() == [f"<{one}>" for one in arguments]


async def test_standard_input_is_empty_unless_the_token_is_asked_for(tmp_path: Path) -> None:
    keep = script(tmp_path, 'cat > "$HOME_OF_TEST/input"')
    await ExecHook((keep,)).run(occasion())
    assert (tmp_path / "input").read_text() == ""
    await ExecHook((keep,), token_stdin=True).run(occasion())
    assert (tmp_path / "input").read_text() == "token.one"


async def test_the_token_is_in_the_environment_only_where_it_is_asked_for(tmp_path: Path) -> None:
    keep = script(tmp_path, 'echo "$TOKEN" > "$HOME_OF_TEST/token"')
    await ExecHook((keep,), token_env="TOKEN").run(occasion())
    assert (tmp_path / "token").read_text() == "token.one\n"


async def test_p21_a_token_that_no_pipe_holds_is_read_whole(tmp_path: Path) -> None:
    token = "t" * 65536 * 4
    await ExecHook((script(tmp_path, 'wc -c > "$HOME_OF_TEST/size"'),), token_stdin=True).run(occasion(of_token(token)))
    assert (tmp_path / "size").read_text().strip() == str(len(token))


async def test_a_command_need_not_read_the_token(tmp_path: Path) -> None:
    large = of_token("t" * 65536 * 4)
    await ExecHook((script(tmp_path, "exit 0"),), token_stdin=True).run(occasion(large))
    slow = ExecHook((script(tmp_path, "exec <&-; sleep 0.2"),), token_stdin=True)
    await slow.run(occasion(large))


def of_token(token: str) -> TokenRecord:
    secret = Secret(token)
    return TokenRecord(secret, NOW, record().expires_at, 600, "", fingerprint(secret), "inputs")


async def test_the_exit_code_and_the_last_words_are_told(tmp_path: Path) -> None:
    error = await fails(ExecHook((script(tmp_path, "echo out; echo no such unit >&2; exit 3"),)))
    assert error.code is Code.HOOK_FAILED
    assert error.detail == f"exec {tmp_path}/hook ended with exit code 3; it said: out no such unit"


async def test_a_command_that_says_nothing_is_told_as_one(tmp_path: Path) -> None:
    assert (await fails(ExecHook((script(tmp_path, "exit 1"),)))).detail.endswith("exit code 1; it said nothing")


async def test_a_command_that_a_signal_ends_is_told_with_its_name(tmp_path: Path) -> None:
    assert "ended with SIGSEGV" in (await fails(ExecHook((script(tmp_path, "kill -SEGV $$"),)))).detail


async def test_the_token_is_cut_out_of_what_a_command_says(tmp_path: Path) -> None:
    token = canary("said")
    hook = ExecHook((script(tmp_path, "read TOKEN; echo before $TOKEN after; exit 1"),), token_stdin=True)
    error = await fails(hook, of_token(token))
    assert "before [redacted] after" in error.detail
    assert Searcher({"token": token}).look_at_error(error, "the failure") == []


async def test_output_is_kept_to_a_bound_and_its_end_is_what_is_kept(tmp_path: Path) -> None:
    error = await fails(ExecHook((script(tmp_path, "seq 100000; echo the end; exit 1"),), 30))
    assert error.detail.endswith("99999 100000 the end")
    assert len(error.detail) < 2500


async def test_a_flood_neither_ends_a_command_nor_takes_the_loops_time(tmp_path: Path) -> None:
    began = time.thread_time()
    error = await fails(ExecHook((script(tmp_path, "exec yes"),), 1))
    assert error.code is Code.HOOK_TIMEOUT
    assert time.thread_time() - began < 0.2


async def test_control_characters_do_not_reach_a_terminal(tmp_path: Path) -> None:
    error = await fails(ExecHook((script(tmp_path, r"printf '\033[2J\000\377a\r\nb'; exit 1"),)))
    assert error.detail.isprintable()
    assert error.detail.endswith("[2J \ufffda b")


async def test_a_hanging_command_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    text = '(sleep 600; :) & (sh -c "sleep 601; :") & echo $! > "$HOME_OF_TEST/child"; sleep 602; :'
    hook = ExecHook((script(tmp_path, text),), 0.5)
    began = asyncio.get_running_loop().time()
    error = await fails(hook)
    assert asyncio.get_running_loop().time() - began < 2
    assert error.code is Code.HOOK_TIMEOUT
    assert "had not ended after 0.5 s, and was killed with all that it had started" in error.detail
    child = int((tmp_path / "child").read_text())
    await until(lambda: not lives(child), "the end of a child")


async def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    hook = ExecHook((script(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.1; done"),), 0.5)
    error = await fails(hook)
    assert error.code is Code.HOOK_TIMEOUT
    assert error.detail.endswith("after 0.5 s, and was killed with all that it had started; it said: ready")


async def test_a_command_gets_time_to_end_in_order(tmp_path: Path) -> None:
    text = "trap 'echo orderly > \"$HOME_OF_TEST/end\"; exit 0' TERM; while :; do sleep 0.05; done"
    await fails(ExecHook((script(tmp_path, text),), 0.3))
    assert await written(tmp_path / "end") == "orderly"


async def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    hook = ExecHook((script(tmp_path, 'sleep 600 & echo $! > "$HOME_OF_TEST/child"'),))
    async with asyncio.timeout(DEADLINE):
        await hook.run(occasion())
    child = int((tmp_path / "child").read_text())
    await until(lambda: not lives(child), "the end of what was left behind")


async def test_r04_a_command_that_is_cancelled_is_gone(tmp_path: Path) -> None:
    hook = ExecHook((script(tmp_path, 'trap "" TERM; sleep 600 & echo $$ $! > "$HOME_OF_TEST/pids"; wait'),), 60)
    running = asyncio.create_task(hook.run(occasion()))
    pids = [int(pid) for pid in (await written(tmp_path / "pids")).split()]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    for pid in pids:
        await until(lambda pid=pid: not lives(pid), "its end")  # type: ignore[misc]  # bound now


async def test_r04_a_command_that_is_cancelled_while_it_starts_is_gone() -> None:
    before = children()
    for steps in range(30):
        running = asyncio.create_task(ExecHook(("/bin/sleep", "600")).run(occasion()))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await until(lambda: children() == before, "the end of all of them")


def test_a_command_does_not_outlive_the_loop(tmp_path: Path) -> None:
    async def leave() -> None:
        task = asyncio.create_task(
            ExecHook((script(tmp_path, 'echo $$ > "$HOME_OF_TEST/pid"; sleep 600; :'),)).run(occasion())
        )
        await written(tmp_path / "pid")
        assert not task.done()

    before = children()
    asyncio.run(leave())
    pid = int((tmp_path / "pid").read_text())
    asyncio.run(until(lambda: not lives(pid) and children() == before, "its end"))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/no/such/program", "cannot be looked at: ENOENT"),
        ("/etc", "is no plain file"),
        ("/etc/passwd", "may not be executed by uid"),
    ],
)
async def test_a_command_that_is_none_is_told(path: str, why: str) -> None:
    hook = ExecHook((path,))
    error = await fails(hook)
    assert error.code is Code.HOOK_COMMAND
    assert why in error.detail
    with pytest.raises(RotationError, match=why):
        await hook.check()


async def test_a_script_without_its_interpreter_is_told(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text("#!/no/such/interpreter\n")
    file.chmod(0o755)
    error = await fails(ExecHook((str(file), "--password=hush")))
    assert (error.code, error.detail) == (
        Code.HOOK_COMMAND,
        f"{file}, or its interpreter (#!), cannot be executed: ENOENT",
    )


async def test_a_script_without_its_first_line_is_told(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text("exit 0\n")
    file.chmod(0o755)
    error = await fails(ExecHook((str(file),)))
    assert (error.code, "begins with #!" in error.detail) == (Code.HOOK_COMMAND, True)


@pytest.mark.parametrize("mode", [0o775, 0o757])
async def test_a_command_that_others_could_change_is_not_run(tmp_path: Path, mode: int) -> None:
    hook = ExecHook((script(tmp_path, 'touch "$HOME_OF_TEST/ran"', mode=mode),))
    error = await fails(hook)
    assert error.code is Code.HOOK_UNSAFE
    assert f"has mode {mode:04o}" in error.detail
    assert not (tmp_path / "ran").exists()
    with pytest.raises(RotationError, match="chmod go-w"):
        await hook.check()


@as_root
async def test_a_command_of_somebody_else_is_not_run(tmp_path: Path) -> None:
    path = script(tmp_path, "exit 0")
    os.chown(path, 4711, -1)
    error = await fails(ExecHook((path,)))
    assert error.code is Code.HOOK_UNSAFE
    assert "belongs to uid 4711" in error.detail


async def test_a_check_runs_nothing(tmp_path: Path) -> None:
    await ExecHook((script(tmp_path, 'touch "$HOME_OF_TEST/ran"'),)).check()
    assert not (tmp_path / "ran").exists()


async def test_r10_no_process_to_be_had_is_told_and_may_pass(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root is held to no limit of processes")
    path = script(tmp_path, "exit 0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, hard))
    try:
        error = await fails(ExecHook((path,)))
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    assert error.code is Code.HOOK_FAILED


async def test_r10_no_descriptor_to_be_had_is_told_and_may_pass(tmp_path: Path) -> None:
    path = script(tmp_path, "exit 0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 2, hard))
    try:
        error = await fails(ExecHook((path,)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.code is Code.HOOK_FAILED
    assert error.detail.endswith("could not be started: EMFILE")


async def test_the_loop_goes_on_while_programs_are_started(tmp_path: Path) -> None:
    gaps: list[float] = []
    ticking = asyncio.create_task(tick(gaps))
    path = script(tmp_path, "sleep 0.2")
    await asyncio.gather(*(ExecHook((path, str(number))).run(occasion()) for number in range(16)))
    ticking.cancel()
    assert max(gaps) < 0.4


async def tick(gaps: list[float]) -> None:
    """Note how long the loop was away each time."""
    loop = asyncio.get_running_loop()
    while True:
        last = loop.time()
        await asyncio.sleep(0.001)
        gaps.append(loop.time() - last)


@as_root
async def test_r08_a_program_that_cannot_be_loaded_holds_up_nobody_but_its_hook(tmp_path: Path) -> None:
    path = script(tmp_path, 'sleep 1; touch "$HOME_OF_TEST/ran"')
    before = children()
    holder = hold_up(path, seconds=3)
    gaps: list[float] = []
    ticking = asyncio.create_task(tick(gaps))
    error = await fails(ExecHook((path,), 0.5))
    assert (error.code, "could not be started within 0.5 s" in error.detail) == (Code.HOOK_TIMEOUT, True)
    assert holder.poll() is None
    ticking.cancel()
    assert max(gaps) < 0.4
    await until(lambda: holder.poll() is not None and children() == before, "the end of what was started too late")
    assert not (tmp_path / "ran").exists()


def hold_up(path: str, seconds: int) -> subprocess.Popen[bytes]:
    """Keep everybody from executing a file, as a disk that hangs does (fanotify(7)): until this process ends."""
    content, execution, here = 4, 0x40000, -100
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.fanotify_init(content, os.O_RDONLY)
    if watch < 0 or libc.fanotify_mark(watch, 1, ctypes.c_uint64(execution), here, path.encode()):
        pytest.skip("executions may not be held up here")
    holder = subprocess.Popen(["sleep", str(seconds)], pass_fds=[watch])
    os.close(watch)
    return holder


async def test_no_secret_is_in_the_arguments_or_the_environment_of_a_running_command(tmp_path: Path) -> None:
    token = canary("running")
    hook = ExecHook((script(tmp_path, 'echo $$ > "$HOME_OF_TEST/pid"; sleep 600; :'), "argument"), 60, token_stdin=True)
    running = asyncio.create_task(hook.run(occasion(of_token(token))))
    pid = int(await written(tmp_path / "pid"))
    searcher = Searcher({"token": token})
    assert searcher.look_at_process(pid) == []
    assert searcher.look(repr(hook), "the hook") == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_command_inherits_no_descriptor_but_its_three(tmp_path: Path) -> None:
    text = 'ls /proc/self/fd > "$HOME_OF_TEST/fds"'
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        await ExecHook((script(tmp_path, text),)).run(occasion())
    finally:
        os.close(reader)
        os.close(writer)
    assert len((tmp_path / "fds").read_text().split()) <= 4  # ls has the directory open


async def test_a_command_leads_a_session_and_hears_signals_as_usual(tmp_path: Path) -> None:
    text = 'cat /proc/$$/stat /proc/$$/status > "$HOME_OF_TEST/status"; echo $$ >> "$HOME_OF_TEST/status"'
    await ExecHook((script(tmp_path, text),)).run(occasion())
    lines = (tmp_path / "status").read_text().splitlines()
    _, _, group, session = lines[0].rpartition(")")[2].split()[:4]
    assert group == session == lines[-1]
    ignored = int(next(line for line in lines if line.startswith("SigIgn:")).split()[1], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)


def test_a_unit_is_asked_for_by_systemctl_and_its_name_is_taken_for_no_option() -> None:
    hook = systemd_hook("app.service", "reload", 30.0)
    assert hook.command == ("/usr/bin/systemctl", "--no-ask-password", "--quiet", "reload", "--", "app.service")
    assert (hook.name, hook.kind) == ("systemd:app.service", "systemd")


@pytest.mark.skipif(not Path("/usr/bin/systemctl").exists(), reason="systemd is not installed here")
@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="this machine runs systemd, and is not to be bothered")
async def test_what_systemctl_says_is_told() -> None:
    error = await fails(systemd_hook("no-such.service", "reload", 10.0))
    assert error.code is Code.HOOK_FAILED
    assert error.detail.startswith("systemd no-such.service ended with exit code ")
    assert "systemd" in error.detail.partition("it said: ")[2]


def test_the_name_of_a_hook_holds_no_argument() -> None:
    assert ExecHook(("/bin/reload", "--password=hush")).name == "exec:/bin/reload"
