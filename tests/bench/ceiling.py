"""What the servers themselves can do, asked by wrk as fast as they answer: nobody can refresh faster than that."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.bench.ground import SCOPE, SOURCE, sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.bench.ground import Ground

HOW_TO_GET_IT = "no program wrk on PATH, so the servers' own ceiling was not measured; on Debian: apt-get install wrk"
PREFIX = "wrk"
RATE = re.compile(r"^Requests/sec:\s+([0-9.]+)$", re.MULTILINE)
TOKEN = "x" * 800
"""As long as a token of this server."""

SCRIPT = """\
local requests, next = {requests}, 0
request = function()
  next = next % #requests + 1
  local one = requests[next]
  return wrk.format(one[1], one[2], one[3], one[4])
end
"""


class CeilingError(Exception):
    """wrk did not run, or a server refused what it was asked."""


@dataclass(frozen=True)
class Rates:
    """What the servers answered, requests per second."""

    tokens: float
    reads: float
    writes: float

    @property
    def refreshes(self) -> float:
        """Refreshes per second when each needs one of the three, and all of them the same processors."""
        return 1 / (1 / self.tokens + 1 / self.reads + 1 / self.writes)


Request = tuple[str, str, "Mapping[str, str]", str]
"""Method, path, headers, body."""


def script(requests: Sequence[Request]) -> str:
    """A program for wrk that sends these one after the other, again and again."""
    return SCRIPT.format(requests="{" + ",\n".join(_lua(one) for one in requests) + "}")


def _lua(request: Request) -> str:
    method, path, headers, body = request
    table = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    return f"{{{json.dumps(method)}, {json.dumps(path)}, {{{table}}}, {json.dumps(body)}}}"


def rate(output: str) -> float:
    """Requests per second in what wrk says.

    Raises:
        CeilingError: It says none, or that answers were refusals.
    """
    found = RATE.search(output)
    if found is None or "Non-2xx" in output or "Socket errors" in output:
        raise CeilingError(f"wrk had no good answers:\n{output[-1000:]}")
    return float(found[1])


@dataclass
class Ceiling:
    """Asks the servers.

    Attributes:
        ground: The servers.
        seconds: For each of the three kinds of request, each time.
        seen: What came of it, once for each round.
    """

    ground: Ground
    seconds: float
    seen: list[Rates] = field(default_factory=list)

    async def measure(self) -> None:
        """Once more; nothing without wrk."""
        program = shutil.which("wrk")
        if program is None:
            return
        site, vault = self.ground.site, {"X-Vault-Token": self.ground.token.reveal()}
        form = urlencode({"grant_type": "client_credentials", "scope": SCOPE})
        body = json.dumps({"data": {"access_token": TOKEN}})
        self.seen.append(
            Rates(
                tokens=await self._ask(
                    program,
                    site.oidc.token_url,
                    [("POST", "/token", self._basic(name), form) for name in self.ground.names],
                ),
                reads=await self._ask(
                    program,
                    site.bao.address,
                    [("GET", f"/v1/{SOURCE}/{name}", vault, "") for name in self.ground.names],
                ),
                writes=await self._ask(
                    program,
                    site.bao.address,
                    [("POST", f"/v1/{sink(PREFIX)}/{name}", vault, body) for name in self.ground.names],
                ),
            )
        )

    def _basic(self, name: str) -> dict[str, str]:
        client = self.ground.site.clients[name]
        pair = base64.b64encode(f"{client.client_id}:{client.secret.reveal()}".encode()).decode()
        return {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}

    async def _ask(self, program: str, url: str, requests: Sequence[Request]) -> float:
        # In a private directory: it holds what opens the servers.
        file: Path = self.ground.site.home / "wrk.lua"
        await asyncio.to_thread(file.write_text, script(requests))
        process = await asyncio.create_subprocess_exec(
            *(program, "-t1", "-c32", f"-d{self.seconds:g}s", "-s", str(file), url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return rate(output.decode())
