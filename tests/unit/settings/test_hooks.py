"""What is done after a write: its keys, on every kind of sink, and what is refused before it could run."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.hooks.command import ExecHook, systemd_hook
from rotator.hooks.signalling import SignalHook
from rotator.hooks.webhook import WebhookHook
from rotator.testing import FakeClock
from tests.support.canary import Searcher, canary

if TYPE_CHECKING:
    from rotator.hooks.port import Hook
    from tests.unit.settings.home import Home

CLOCK = FakeClock()
VAULT_SINK = 'type = "vault"\npath = "secret/tokens/billing"\n'
SINKS = {
    "vault": VAULT_SINK,
    "file": 'type = "file"\npath = "/run/rotator/other.token"\n',
    "socket": 'type = "socket"\nusers = ["app"]\n',
    "kubernetes": (
        'type = "kubernetes"\nname = "billing"\nnamespace = "apps"\napi_server = "https://k8s.example.com:6443"\n'
        'token_file = "/etc/rotator/cluster-token"\n'
    ),
}


def with_hook(home: Home, hook: str, more: str = "", sink: str = VAULT_SINK) -> None:
    home.write(home.good.replace(VAULT_SINK, f"{sink}after_write = [{hook}]\n{more}"))


def hook(home: Home, text: str, *, shared: bool = False) -> Hook:
    with_hook(home, text)
    [found] = home.loads().settings.credentials["billing"].sinks[0].hooks(CLOCK, shared=shared)
    return found


@pytest.mark.parametrize("sink", SINKS.values(), ids=SINKS)
def test_every_kind_of_sink_may_have_hooks(home: Home, sink: str) -> None:
    with_hook(home, '{ type = "exec", command = ["/bin/true"] }', 'debounce = "3s"\n', sink)
    section = home.loads().settings.credentials["billing"].sinks[0]
    assert section.hooks(CLOCK, shared=False) == (ExecHook(("/bin/true",)),)
    assert section.debounce == 3.0


def test_left_out_there_are_none(home: Home) -> None:
    section = home.loads().settings.credentials["billing"].sinks[0]
    assert (section.hooks(CLOCK, shared=False), section.debounce) == ((), 1.0)


def test_a_command_is_taken_word_by_word(home: Home) -> None:
    found = hook(home, '{ type = "exec", command = ["/usr/bin/systemctl", "reload", "a b"], timeout = "3s" }')
    assert found == ExecHook(("/usr/bin/systemctl", "reload", "a b"), 3.0)


def test_a_command_gets_the_token_where_it_is_asked_for(home: Home) -> None:
    found = hook(home, '{ type = "exec", command = ["/bin/x"], token_stdin = true, token_env = "TOKEN" }')
    assert found == ExecHook(("/bin/x",), 10.0, token_stdin=True, token_env="TOKEN")


def test_a_signal_goes_to_the_process_of_a_pid_file(home: Home) -> None:
    found = hook(home, '{ type = "signal", pid_file = "/run/x.pid" }')
    assert found == SignalHook(Path("/run/x.pid"), signal.SIGHUP, CLOCK)
    found = hook(home, '{ type = "signal", pid_file = "/run/x.pid", signal = "USR1" }')
    assert found == SignalHook(Path("/run/x.pid"), signal.SIGUSR1, CLOCK)


def test_a_unit_is_reloaded_unless_something_else_is_wanted(home: Home) -> None:
    assert hook(home, '{ type = "systemd", unit = "x.service" }') == systemd_hook("x.service", "reload", 30.0)
    found = hook(home, '{ type = "systemd", unit = "x@1.service", action = "try-restart", timeout = "5s" }')
    assert found == systemd_hook("x@1.service", "try-restart", 5.0)


def test_a_webhook_is_a_url_with_what_it_takes(home: Home) -> None:
    found = hook(home, '{ type = "webhook", url = "https://x.example.com/a", ca_file = "/etc/ca.pem", timeout = "2s" }')
    assert found == WebhookHook("https://x.example.com/a", 2.0, Path("/etc/ca.pem"), None)


async def test_a_webhook_reads_its_bearer_when_it_is_needed(home: Home) -> None:
    bearer = home.secret("bearer", "hush\n")
    found = hook(home, f'{{ type = "webhook", url = "https://x.example.com/", bearer_file = "{bearer}" }}')
    assert isinstance(found, WebhookHook)
    assert found.bearer is not None
    assert found.bearer().reveal() == "hush"
    bearer.chmod(0o644)
    with pytest.raises(RotationError, match=r"bearer_file: .* others can get at it; chmod o=") as caught:
        await found.check()
    assert caught.value.code is Code.HOOK_BEARER


def test_a_bearer_that_others_can_read_will_do_where_secret_files_are_shared(home: Home) -> None:
    bearer = home.secret("bearer", "hush", mode=0o644)
    text = f'{{ type = "webhook", url = "https://x.example.com/", bearer_file = "{bearer}" }}'
    found = hook(home, text, shared=True)
    assert isinstance(found, WebhookHook)
    assert found.bearer is not None
    assert found.bearer().reveal() == "hush"


AT = "credentials.billing.sinks[0].after_write[0]"


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ('{ type = "exec", command = [] }', "command", ""),
        ('{ type = "exec", command = "/bin/true" }', "command", ""),
        ('{ type = "exec", command = ["true"] }', "command", "the absolute path of a program"),
        ('{ type = "exec", command = ["/bin/../true"] }', "command", "the absolute path of a program"),
        ('{ type = "exec", command = ["/bin/x", "a\\nb"] }', "command[1]", "a text without line ends"),
        ('{ type = "exec", command = ["/bin/x", 3] }', "command[1]", "a text without line ends"),
        ('{ type = "exec", command = ["/bin/x"], timeout = "0s" }', "timeout", "a duration from 100ms to 5m"),
        ('{ type = "exec", command = ["/bin/x"], timeout = "6m" }', "timeout", "a duration from 100ms to 5m"),
        ('{ type = "exec", command = ["/bin/x"], token_env = "PATH" }', "token_env", "a variable that nothing else"),
        ('{ type = "exec", command = ["/bin/x"], token_env = "LD_PRELOAD" }', "token_env", "that nothing else"),
        ('{ type = "exec", command = ["/bin/x"], token_env = "ROTATOR_SINK" }', "token_env", "that nothing else"),
        ('{ type = "exec", command = ["/bin/x"], token_env = "a=b" }', "token_env", "an environment variable"),
        ('{ type = "signal", pid_file = "x.pid" }', "pid_file", "the absolute path of a file"),
        ('{ type = "signal", pid_file = "/run/x.pid", signal = "KILL" }', "signal", "HUP, INT, QUIT"),
        ('{ type = "systemd", unit = "x" }', "unit", "a unit of systemd with its suffix"),
        ('{ type = "systemd", unit = "--force.service" }', "unit", "a unit of systemd with its suffix"),
        ('{ type = "systemd", unit = "x.service", action = "stop" }', "action", "reload, restart"),
        ('{ type = "webhook", url = "http://x.example.com/" }', "url", "https://"),
        ('{ type = "webhook", url = "https://user:pass@x.example.com/" }', "url", "without user name and password"),
        ('{ type = "webhook", url = "https://x.example.com/?token=hush" }', "url", "without a secret in it"),
        ('{ type = "mail" }', "type", "exec, signal, systemd or webhook"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(home: Home, text: str, key: str, wanted: str) -> None:
    with_hook(home, text)
    problem = home.problem()
    assert problem.key == f"{AT}.{key}"
    assert wanted in problem.wanted


@pytest.mark.parametrize("debounce", ["0s", "1", "2m"])
def test_a_debounce_has_its_bounds(home: Home, debounce: str) -> None:
    with_hook(home, '{ type = "exec", command = ["/bin/true"] }', f'debounce = "{debounce}"\n')
    assert home.problem().key == "credentials.billing.sinks[0].debounce"


@pytest.mark.parametrize(
    "argument", ["Authorization: Bearer {}", "--client-secret={}", "https://user:{}@x.example.com/"]
)
def test_g06_a_secret_in_an_argument_is_refused_and_not_repeated(home: Home, argument: str) -> None:
    secret = canary(argument)
    with_hook(home, f'{{ type = "exec", command = ["/usr/bin/curl", "{argument.format(secret)}"] }}')
    error = home.error()
    assert [problem.key for problem in error.problems] == [f"{AT}.command[1]"]
    assert "an argument without a secret in it" in error.problems[0].wanted
    assert Searcher({"secret": secret}).look_at_error(error, "the refusal") == []


def test_two_hooks_that_are_the_same_are_one(home: Home) -> None:
    first, second = (hook(home, '{ type = "signal", pid_file = "/run/x.pid" }') for _ in range(2))
    assert (first == second, hash(first) == hash(second)) == (True, True)
