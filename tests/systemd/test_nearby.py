"""Consumers on a machine with a real systemd, with the drop-ins of docs/howto/consumers.md and without them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.pages import example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.systemd.place import Site

pytestmark = pytest.mark.timeout(900)

PAGE = "docs/howto/consumers.md"
DROP_INS = "/etc/systemd/system/rotator.service.d"
SINK = '{ type = "vault", path = "secret/tokens/asset-pool" },'

SOCKET = '{ type = "socket", users = ["asset-pool"] },'

HOOKED = """{ type = "file", path = "/run/rotator/hooked", debounce = "100ms", after_write = [
    { type = "exec", command = ["/usr/bin/true"] },
    { type = "signal", pid_file = "/run/waiter/pid" },
  ] },"""

WAITER = """
[Service]
User=asset-pool
RuntimeDirectory=waiter
ExecStart=bash -c 'trap "touch /run/waiter/told" HUP; echo $$$$ > /run/waiter/pid; while :; do sleep 0.1; done'
"""
"""A service of another user that waits for a signal."""


@asynccontextmanager
async def running(site: Site, sink: str, drop_in: str = "") -> AsyncIterator[None]:
    """rotator, started anew with a further sink and with a drop-in of the page; in the end as it was before."""
    machine, file = site.machine, f"{DROP_INS}/nearby.conf"
    assert SINK in site.configuration
    async with site.configured(site.configuration.replace(SINK, f"{SINK}\n  {sink}")):
        if drop_in:
            await machine.write(file, example(PAGE, drop_in))
        await machine.script("systemctl daemon-reload; systemctl restart rotator")
        try:
            yield
        finally:
            await machine.script(f"rm -f {file} /run/rotator/hooked; systemctl daemon-reload; systemctl stop rotator")


async def asked(site: Site, user: str) -> tuple[int, str]:
    """What the page's program in Python gets when this user runs it."""
    program = f'{example(PAGE, "nearby.py")}\nprint(token("asset-pool"), end="")\n'
    code, out, err = await site.machine.tried("runuser", "-u", user, "--", "python3", "-c", program)
    return code, out or err.splitlines()[-1]


async def last(site: Site, event: str, **fields: object) -> dict[str, Any] | None:
    """The last event of this name that has these fields, of those that the rotator which runs now has told."""
    pid = await site.machine.main_pid()
    _, said, _ = await site.machine.tried("journalctl", "--output=cat", f"_PID={pid}")
    told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    wanted = {"event": event, **fields}
    return next((one for one in reversed(told) if one.items() >= wanted.items()), None)


async def test_a_service_asks_at_the_socket_where_the_kernel_may_tell_users_apart(site: Site) -> None:
    async with running(site, SOCKET, "local.conf"):

        async def served() -> bool:
            return (await asked(site, "asset-pool"))[0] == 0

        await site.machine.until(served, "an answer at the socket")
        assert await asked(site, "asset-pool") == (0, await site.published())
        for other in ("nobody", "root"):
            code, said = await asked(site, other)
            assert (code, "403" in said) == (1, True), said


async def test_without_the_drop_in_nobody_is_let_in_and_it_is_said_why(site: Site) -> None:
    async with running(site, SOCKET):

        async def refused() -> bool:
            failed = await last(site, "token.delivery_failed", error="local_peers")
            return failed is not None and "PrivateUsers=no" in str(failed["detail"])

        await site.machine.until(refused, "the word about user namespaces")
        assert "403" in (await asked(site, "asset-pool"))[1]


@pytest.mark.parametrize("drop_in", ["signals.conf", ""], ids=["with the drop-in", "without it"])
async def test_a_process_of_another_user_is_signalled_with_the_drop_in_only_and_a_command_runs_anyway(
    site: Site, drop_in: str
) -> None:
    machine = site.machine
    await machine.write("/etc/systemd/system/waiter.service", WAITER)
    await machine.script("systemctl daemon-reload; systemctl start waiter")

    async def waits() -> bool:
        return (await machine.tried("test", "-s", "/run/waiter/pid"))[0] == 0

    async def signalled() -> bool:
        return (await machine.tried("test", "-e", "/run/waiter/told"))[0] == 0

    async def denied() -> bool:
        return await last(site, "hook.failed", error="hook_denied") is not None

    async def ran() -> bool:
        return await last(site, "hook.ran", hook="exec:/usr/bin/true") is not None

    try:
        await machine.until(waits, "the pid file", unit="waiter")
        async with running(site, HOOKED, drop_in):
            await machine.until(ran, "a command after the write")
            await machine.until(signalled if drop_in else denied, "the signal, or that it is denied")
            assert await signalled() is bool(drop_in)
    finally:
        await machine.script("systemctl stop waiter; rm /etc/systemd/system/waiter.service; systemctl daemon-reload")
