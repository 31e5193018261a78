"""A place to listen that is taken: never silently without, never without a word."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from tests.support.process import Site


async def test_r13_a_port_that_is_taken_ends_the_start_and_names_place_and_cure(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.extra = f'\n[http]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n'
        configuration = await site.prepare(["billing"])
        code, _, err = await rotator("run", "-c", configuration)
    assert code == 2
    assert "http.listen" in err
    assert "Address already in use" in err
    assert "choose another http.listen" in err
    assert site.requests() == 0, "nothing is minted by a daemon that does not start"


async def test_r13_a_socket_that_nobody_chose_and_that_is_taken_is_told_of_and_tokens_are_kept_fresh(
    site: Site,
) -> None:
    configuration = await site.prepare(["billing"])
    (site.home / "state").mkdir(mode=0o700)
    (site.home / "state" / "rotator.sock").write_text("a file of somebody else")
    async with Rotator(configuration) as daemon:
        told = await daemon.says("http.unavailable")
        assert "is no socket" in told["detail"]
        await daemon.says("token.delivered", count=2)
    assert (site.home / "state" / "rotator.sock").read_text() == "a file of somebody else"
