"""Restarts with fresh tokens: are any minted again, does any expires_at move back?

    .venv/bin/python -m tests.bench.restarts [--credentials 20] [--restarts 6] [--wait 10]

Real OpenBao, real oidc-provider, the installed rotator, ended by SIGTERM and SIGKILL by turns; loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from pathlib import Path

from rotator.demo.bao import BaoServer
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site


async def measure(credentials: int, restarts: int, wait: float) -> bool:
    """Run it and print what was seen; whether all was well."""
    names = [f"app-{number:02}" for number in range(credentials)]
    with tempfile.TemporaryDirectory() as home, OidcProvider() as oidc:
        async with BaoServer("inmem") as bao:
            await bao.enable_approle()
            site = Site(Path(home), bao, oidc)
            configuration = await site.prepare(names)
            before: list[str] = []
            moved_back = 0
            for number in range(restarts + 1):
                how = (signal.SIGTERM, signal.SIGKILL)[number % 2]
                async with Rotator(configuration) as rotator:
                    await rotator.says("daemon.ready")
                    await asyncio.sleep(wait)
                    rotator.signal(how)
                    code = await rotator.ended()
                dates = [(await site.document(name))["expires_at"] for name in names]
                moved_back += sum(new < old for new, old in zip(dates, before, strict=False))
                before = dates
                print(
                    f"run {number}, {wait:g} s, then {how.name} (exit {code}): token requests so far {site.requests()}"
                )
            print(
                f"token requests: {site.requests()} for {credentials} credentials; expires_at moved back: {moved_back}"
            )
            return site.requests() == credentials and moved_back == 0


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description="Restart rotator again and again while its tokens are fresh.")
    parser.add_argument("--credentials", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=6)
    parser.add_argument("--wait", type=float, default=10)
    options = parser.parse_args()
    raise SystemExit(not asyncio.run(measure(options.credentials, options.restarts, options.wait)))


if __name__ == "__main__":
    main()
