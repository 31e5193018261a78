"""Who is at the other end of a unix socket, and who may be there.

The kernel says it (unix(7), SO_PEERCRED): the user, the group and the further groups that the process had when it
connected. Nobody is let in for being root, or for being rotator's own user: who is root in a container that the socket
is mounted into is root here as well. Whoever is meant is named.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import grp
import pwd
import socket
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.wire.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKED_UP_WITHIN = 5.0
"""Seconds for all names of one sink; a directory service may hang."""

_CREDENTIALS = struct.Struct("=iII")
"""struct ucred: process, user, group."""

_SO_PEERGROUPS = 59
"""asm-generic/socket.h, since Linux 4.13; Python has no name for it."""

_PYTHONS_MOST = 1024
"""Bytes that `socket.getsockopt` reads."""

_ID = ctypes.sizeof(ctypes.c_uint32)
_NGROUPS_MAX = 65536
"""limits.h."""

_OVERFLOW = 65534
"""Where the kernel does not say which one it is: the id that stands for all that a user namespace does not know."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who has connected.

    Attributes:
        uid: Its user.
        gids: All its groups.
    """

    uid: int
    gids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Peers:
    """Those who may ask: members of any of them. Names, or numbers as text."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ids:
    users: frozenset[int]
    groups: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end.

    Raises:
        OSError: The kernel does not say.
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, gid = _CREDENTIALS.unpack(raw)
    return Peer(uid, frozenset({gid, *_groups(connection)}))


def _groups(connection: socket.socket) -> tuple[int, ...]:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _PYTHONS_MOST)
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
        raw = _many_groups(connection)
    return struct.unpack(f"={len(raw) // _ID}I", raw)


def _many_groups(connection: socket.socket) -> bytes:
    """For one that is in more groups than Python would read."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_NGROUPS_MAX * _ID)
    size = ctypes.c_uint32(len(buffer))
    if libc.getsockopt(connection.fileno(), socket.SOL_SOCKET, _SO_PEERGROUPS, buffer, ctypes.byref(size)):
        raise OSError(ctypes.get_errno(), "getsockopt(SO_PEERGROUPS)")
    return buffer.raw[: size.value]


class Accounts:
    """The numbers behind the names, each looked up once: a directory service may be away at three at night.

    Args:
        proc: Where the kernel says which ids there are in this user namespace.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: dict[Peers, _Ids] = {}
        self._looking: dict[Peers, asyncio.Future[_Ids]] = {}

    async def admits(self, peers: Peers, peer: Peer) -> bool:
        """Whether somebody is one of those.

        Raises:
            RotationError: LOCAL_PEERS.
        """
        ids = await self._ids(peers)
        return peer.uid in ids.users or not ids.groups.isdisjoint(peer.gids)

    async def check(self, peers: Peers) -> None:
        """See that all of them are known, and can be told from others.

        Raises:
            RotationError: LOCAL_PEERS.
        """
        await self._ids(peers)

    async def _ids(self, peers: Peers) -> _Ids:
        if peers not in self._known:
            looking = self._looking.get(peers)
            try:
                if looking is None or looking.done():
                    # One at a time for each: a directory service that hangs must not hold a thread for every question.
                    looking = in_thread(partial(self._look_up, peers), "lookup of users and groups")
                    self._looking[peers] = looking
                async with asyncio.timeout(LOOKED_UP_WITHIN):
                    self._known[peers] = await asyncio.shield(looking)
            except (TimeoutError, OSError) as error:
                why = "in time" if isinstance(error, TimeoutError) else "for want of a thread"
                names = ", ".join((*peers.users, *peers.groups))
                raise RotationError(
                    Code.LOCAL_PEERS, f"{names} could not be looked up {why}; nobody is let in"
                ) from None
            self._looking.pop(peers, None)
        return self._known[peers]

    def _look_up(self, peers: Peers) -> _Ids:
        users = (self._id("user", name, lambda name: pwd.getpwnam(name).pw_uid) for name in peers.users)
        groups = (self._id("group", name, lambda name: grp.getgrnam(name).gr_gid) for name in peers.groups)
        return _Ids(frozenset(users), frozenset(groups))

    def _id(self, kind: str, name: str, look_up: Callable[[str], int]) -> int:
        """As chown(1) does it: a name first, then a number."""
        try:
            number = look_up(name)
        except KeyError:
            if not name.isdecimal():
                told = f"there is no {kind} {name!r} on this machine: create it, or name another one"
                raise RotationError(Code.LOCAL_PEERS, told) from None
            number = int(name)
        letter = kind[0]
        if number == self._overflow(letter):
            raise RotationError(
                Code.LOCAL_PEERS,
                f"{kind} {name} is {letter}id {number}, which also stands for every {kind} that a user namespace does "
                f"not know: let the consumer have a {kind} of its own",
            )
        if not self._is_mapped(letter, number):
            raise RotationError(
                Code.LOCAL_PEERS,
                f"{kind} {name} is {letter}id {number}, which rotator's user namespace does not know, so that it "
                "cannot be told from others: with systemd, set PrivateUsers=no",
            )
        return number

    def _overflow(self, letter: str) -> int:
        try:
            return int((self._proc / f"sys/kernel/overflow{letter}id").read_text())
        except (OSError, ValueError):
            return _OVERFLOW

    def _is_mapped(self, letter: str, number: int) -> bool:
        """user_namespaces(7): each line has the first id inside, the first one outside, and how many there are."""
        try:
            lines = (self._proc / f"self/{letter}id_map").read_text().splitlines()
        except OSError:
            return True  # a kernel without user namespaces
        ranges = ((int(first), int(count)) for first, _, count in map(str.split, lines))
        return any(first <= number < first + count for first, count in ranges)
