"""The installed `rotator run`, a real OpenBao, and two providers on loopback: one accepts every connection and never
answers, with 500 credentials on it; the other issues tokens that live 20 s for 50 credentials. Lateness is when a
renewal reached the healthy provider less when rotator's own `renewal_due` has it, the token's life being counted from
when the request for it came; what a request needs on its way stands on both sides and cancels out. The first tokens are
no renewals and do not count.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.model import BearerToken, CredentialSpec, Moment, Secret, fingerprint
from rotator.demo.bao import BaoServer
from rotator.demo.stage import ROTATOR_POLICY
from rotator.engine.clock import SystemClock
from tests.reliability.figures import Figure
from tests.support.hostile_provider import hostile, read_request, response
from tests.support.process import Rotator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TITLE = "Hung providers"
SEED = 0
LATE = 0.25
"""Seconds: the bar for the 99th percentile."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        hung: Credentials of the provider that hangs.
        healthy: Credentials of the other one.
        lifetime: Seconds that its tokens live.
        seconds: For which renewals are watched.
    """

    hung: int = 500
    healthy: int = 50
    lifetime: int = 20
    seconds: float = 120.0


@dataclass
class Healthy:
    """A provider that answers at once, and writes down when it was asked.

    Attributes:
        arrivals: Per client, when each request came (elapsed, seconds), and the fingerprint of the token that it got.
    """

    lifetime: int
    arrivals: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    _clock: SystemClock = field(default_factory=SystemClock)
    _issued: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request of a connection."""
        while True:
            request = (await read_request(reader)).decode()
            now = self._clock.now().elapsed
            client = request.rpartition("client_id=")[2].partition("&")[0]
            self._issued += 1
            token = f"token.{self._issued}"
            self.arrivals[client].append((now, fingerprint(Secret(token))))
            answer = {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}
            writer.write(response(json.dumps(answer).encode()))
            await writer.drain()


@dataclass
class Hung:
    """A provider that accepts and never answers.

    Attributes:
        asked: Requests that reached it.
    """

    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Read, and say nothing."""
        await read_request(reader)
        self.asked += 1
        await reader.read()


@dataclass(frozen=True)
class Watched:
    """What was seen.

    Attributes:
        lateness: Seconds of each renewal at the healthy provider, sorted.
        unserved: Healthy credentials that never got a token, and tokens that expired before they were renewed.
        asked: Requests that hang.
    """

    lateness: Sequence[float]
    unserved: int
    asked: int

    def percentile(self, share: float) -> float:
        """The lateness that this share of renewals did not exceed, seconds."""
        return self.lateness[min(len(self.lateness) - 1, int(share * len(self.lateness)))]


async def watch(size: Size) -> Watched:
    """Let rotator run, and watch the healthy provider."""
    healthy, hung = Healthy(size.lifetime), Hung()
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bao = await stack.enter_async_context(BaoServer("inmem"))
        urls = {
            "hung": await stack.enter_async_context(hostile(hung.serve)),
            "healthy": await stack.enter_async_context(hostile(healthy.serve)),
        }
        names = {"hung": size.hung, "healthy": size.healthy}
        configuration = await _prepare(home, bao, urls, names)
        async with Rotator(configuration) as rotator:
            await rotator.says("token.minted", count=size.healthy, within=60)
            await asyncio.sleep(size.seconds)
            expired = len(rotator.named("token.expired"))
    lateness = [
        arrived - _due(name, mark, issued, size.lifetime)
        for name, arrivals in healthy.arrivals.items()
        for (issued, mark), (arrived, _) in pairwise(arrivals)
    ]
    return Watched(sorted(lateness), size.healthy - len(healthy.arrivals) + expired, hung.asked)


def _due(name: str, mark: str, issued: float, lifetime: int) -> float:
    """When a token is due to be renewed, on the clock that `issued` was read from."""
    moment = Moment(SystemClock().now().wall, issued)
    return policy.renewal_due(
        CredentialSpec(name, "healthy", ()), BearerToken(Secret(""), moment, lifetime, "", "", mark)
    )


async def _prepare(home: Path, bao: BaoServer, urls: dict[str, str], names: dict[str, int]) -> Path:
    """Everything that rotator needs; its configuration."""
    await bao.enable_kv("secret", 2)
    await bao.enable_approle()
    await bao.write_policy("rotator", ROTATOR_POLICY)
    role_id, secret_id = await bao.create_approle("rotator", "rotator", token_ttl="1h")
    text = f'state_dir = "{home}/state"\n[vault]\naddress = "{bao.address}"\n[vault.auth]\nmethod = "approle"\n'
    text += 'role_id_file = "role-id"\nsecret_id_file = "secret-id"\n'
    for provider, url in urls.items():
        text += (
            f'[providers.{provider}]\ntoken_url = "{url}"\nclient_auth = "client_secret_post"\nrate_limit = "100/s"\n'
        )
        for number in range(names[provider]):
            name = f"{provider}-{number}"
            document = {"client_id": name, "client_secret": "s"}
            await bao.request("POST", f"secret/data/apps/{name}", {"data": document})
            text += f'[credentials.{name}]\nprovider = "{provider}"\n'
            text += f'source = {{ type = "vault", path = "secret/apps/{name}" }}\n'
            text += f'sinks = [{{ type = "vault", path = "secret/tokens/{name}" }}]\n'
    for file, content in {"role-id": role_id, "secret-id": secret_id.reveal(), "config.toml": text}.items():
        (home / file).touch(mode=0o600)
        (home / file).write_text(content)
    return home / "config.toml"


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See the module."""
    del seed  # the spread of renewals is derived from names and tokens, and nothing is drawn
    size = Size()
    say(f"{size.hung} hung and {size.healthy} healthy credentials for {size.seconds:g} s")
    seen = asyncio.run(watch(size))
    p99 = seen.percentile(0.99)
    least = int(size.healthy * (size.seconds / (size.lifetime / 2) - 2))
    return [
        Figure("lateness of the healthy provider's renewals, p99", "< 250 ms", _ms(p99), p99 < LATE),
        Figure("the same, median", "", _ms(seen.percentile(0.5))),
        Figure("the same, worst", "", _ms(seen.lateness[-1])),
        Figure("renewals measured", f"≥ {least}", f"{len(seen.lateness)}", len(seen.lateness) >= least),
        Figure(
            "healthy credentials without a token, and tokens that expired", "0", f"{seen.unserved}", seen.unserved == 0
        ),
        Figure("requests that hung", "≥ 8", f"{seen.asked}", seen.asked >= 8),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
