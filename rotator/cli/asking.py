"""Asking a running rotator: one request on its socket, and what to say when nobody answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import aiohttp

from rotator.cli.options import UnansweredError, UnknownError
from rotator.wire.unix_socket import near

if TYPE_CHECKING:
    from rotator.operate.listening import HttpSettings

DEADLINE = 10.0
"""Seconds for one question; ten thousand credentials are told of in about one."""

OK, NOT_FOUND = 200, 404

Document = dict[str, Any]


async def ask(place: HttpSettings, path: str) -> tuple[int, str]:
    """The status and the body of an answer.

    Raises:
        UnansweredError: There was none.
    """
    try:
        with ExitStack() as stack:
            connector: aiohttp.BaseConnector
            if place.socket is not None:
                connector = aiohttp.UnixConnector(str(stack.enter_context(near(place.socket))))
                host = "rotator"
            else:
                connector, host = aiohttp.TCPConnector(), place.place
            timeout = aiohttp.ClientTimeout(total=DEADLINE)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.get(f"http://{host}{path}", allow_redirects=False) as answer,
            ):
                return answer.status, await answer.text()
    except TimeoutError:
        why = f"it did not answer within {DEADLINE:g} s; its log and `systemctl status` tell more"
    except (OSError, aiohttp.ClientError, UnicodeDecodeError) as error:
        why = _why(error)
    raise UnansweredError(f"no rotator answers at {place.place}: {why}")


def _why(error: Exception) -> str:
    cause = getattr(error, "os_error", error)  # aiohttp's errors have the system's own inside
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return "nobody listens there. Is it running, and with this configuration? --at names another place"
    if isinstance(cause, PermissionError):
        return "permission denied. Ask as rotator's user or as root, or see http.socket_mode"
    return f"{type(error).__name__}; what listens there may be something else"


async def document(place: HttpSettings, path: str) -> Document:
    """The JSON of an answer.

    Raises:
        UnansweredError: There was none, or it was none of rotator's.
        UnknownError: There is no such credential.
    """
    code, body = await ask(place, path)
    if code == NOT_FOUND:
        raise UnknownError
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if code != OK or not isinstance(found, dict):
        raise UnansweredError(f"what answers at {place.place} is no rotator: status {code}, and no JSON object")
    return found


def answered(place: HttpSettings, path: str) -> Document:
    """`document`, for those who have no event loop."""
    return asyncio.run(document(place, path))
