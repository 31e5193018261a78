from __future__ import annotations

import socket

import pytest

from rotator.demo import ports


def test_a_server_that_had_a_port_tries_that_one_alone() -> None:
    assert ports.to_try(12345) == [12345]


def test_a_new_server_tries_ports_that_the_kernel_gives_to_nobody_by_chance() -> None:
    candidates = ports.to_try(0)
    assert len(candidates) == ports.ATTEMPTS
    assert all(1024 < port < 32768 for port in candidates)


@pytest.mark.parametrize("taken", [0, 1], ids=["it", "the one after it"])
def test_a_port_is_passed_over_when_somebody_has(taken: int) -> None:
    busy, free, *_ = dict.fromkeys(ports.to_try(0))  # no port twice
    with socket.create_server(("127.0.0.1", busy + taken)):
        assert set(ports.to_try(0, [busy, busy, busy, free])) == {free}
