from __future__ import annotations

import socket

from rotator.demo import ports


def test_a_server_that_had_a_port_tries_that_one_alone() -> None:
    assert ports.to_try(12345) == [12345]


def test_a_new_server_tries_ports_that_the_kernel_gives_to_nobody_by_chance() -> None:
    candidates = ports.to_try(0)
    assert len(candidates) == ports.ATTEMPTS
    assert all(1024 < port < 32768 for port in candidates)


def test_each_of_them_can_be_listened_on_as_can_the_next_one() -> None:
    for port in ports.to_try(0):
        with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", port + 1)):
            pass
