"""Consumers that poll while tokens are renewed: does any of them ever see an expired, missing or torn one?

    .venv/bin/python -m tests.bench.consumers [--credentials 20] [--lifetime 20] [--seconds 180] [--every 0.2]

Real OpenBao, real oidc-provider, the installed rotator; loopback only; ends by itself. Prints figures, one a line.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import signal
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from rotator.demo.bao import BaoServer
from tests.support.consumer import expiry
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

EDGE = 2.0
"""Seconds around the end within which a renewal may or may not have been made; dates in logs are whole seconds."""


def _now() -> float:
    return datetime.now(UTC).timestamp()


def judge(token: str | None, fingerprint: str | None = None) -> str:
    """What a consumer would say of what it has read."""
    if not token:
        return "missing"
    try:
        ends = expiry(token)
    except ValueError:
        return "torn"
    if fingerprint is not None and fingerprint != hashlib.sha256(token.encode()).hexdigest()[:12]:
        return "torn"
    return "good" if ends > _now() else "expired"


async def _poll_file(file: Path, every: float, seen: Counter[str], until: float) -> None:
    while _now() < until:
        seen[judge(_read(file))] += 1
        await asyncio.sleep(every)


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


async def _poll_path(session: aiohttp.ClientSession, url: str, every: float, seen: Counter[str], until: float) -> None:
    last = ""
    while _now() < until:
        async with session.get(url) as answer:
            document = (await answer.json()).get("data", {}).get("data", {}) if answer.status == 200 else {}
        seen[judge(document.get("access_token"), document.get("fingerprint", ""))] += 1
        seen["moved back"] += document.get("expires_at", "") < last
        last = document.get("expires_at", "")
        await asyncio.sleep(every)


async def _consume(site: Site, names: Sequence[str], every: float, seconds: float) -> dict[str, Counter[str]]:
    seen = {"files": Counter[str](), "paths": Counter[str]()}
    until = _now() + seconds
    token = site.bao.root_token.reveal()
    async with aiohttp.ClientSession(headers={"X-Vault-Token": token}) as session:
        files = [_poll_file(site.file(name), every, seen["files"], until) for name in names]
        url = f"{site.bao.address}/v1/secret/data/tokens"
        paths = [_poll_path(session, f"{url}/{name}", every, seen["paths"], until) for name in names]
        await asyncio.gather(*files, *paths)
    return seen


def _predicted(rotator: Rotator, ended: float) -> tuple[int, int]:
    """First mints and every renewal that fell due before the end; the second number counts those at its edge too."""
    minted = rotator.named("token.minted")
    first = len({event["credential"] for event in minted})
    dues = [datetime.fromisoformat(event["next_mint_at"]).timestamp() for event in minted]
    return first + sum(due < ended - EDGE for due in dues), first + sum(due < ended + EDGE for due in dues)


async def measure(credentials: int, lifetime: int, seconds: float, every: float) -> bool:
    """Run it and print what was seen; whether all was well."""
    names = [f"app-{number:02}" for number in range(credentials)]
    with tempfile.TemporaryDirectory() as home, OidcProvider() as oidc:
        async with BaoServer("inmem") as bao:
            await bao.enable_approle()
            site = Site(Path(home), bao, oidc, lifetime=lifetime)
            async with Rotator(await site.prepare(names)) as rotator:
                await rotator.says("daemon.ready")
                seen = await _consume(site, names, every, seconds)
                ended = _now()
                rotator.signal(signal.SIGTERM)
                code = await rotator.ended()
            requests = site.requests()
    told = Counter(event["event"] for event in rotator.events)
    print(f"told by rotator: {dict(told)}")
    least, most = _predicted(rotator, ended)
    for place, counts in seen.items():
        print(f"{place}: {dict(counts)}")
    print(f"token requests: {requests}; predicted by the policy: {least} to {most} (renewals due at the very end may")
    print(f"or may not be made); minted: {len(rotator.named('token.minted'))}; exit code {code}")
    return (
        all(counts.total() == counts["good"] > 0 for counts in seen.values())
        and least <= requests <= most
        and code == 0
    )


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description="Poll every path and file while tokens are renewed.")
    parser.add_argument("--credentials", type=int, default=20)
    parser.add_argument("--lifetime", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--every", type=float, default=0.2)
    options = parser.parse_args()
    well = asyncio.run(measure(options.credentials, options.lifetime, options.seconds, options.every))
    print("all was well" if well else "NOT all was well")
    raise SystemExit(not well)


if __name__ == "__main__":
    main()
