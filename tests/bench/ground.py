"""What every contender stands on: the real servers, with as many applications registered and stored as are wanted."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.demo.bao import BaoServer
from tests.bench.programs.protocol import Task
from tests.support.oidc import OidcProvider
from tests.support.process import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from rotator.core.model import Secret

SCOPE = "openid admin"
SOURCE = "secret/data/apps"
LIFETIME = 6 * 3600
"""Seconds that tokens live: nothing is renewed for its age while it is measured."""

CONCURRENCY = 32
"""Refreshes at once, for who can choose: as many requests as rotator has under way at one Vault."""


@dataclass(frozen=True)
class Ground:
    """The servers and what is in them.

    Attributes:
        site: Where everything is; its directory is private.
        names: The credentials.
        token: What Vault may be asked with: rotator's own policy.
    """

    site: Site
    names: tuple[str, ...]
    token: Secret

    def task(self, prefix: str) -> dict[str, Any]:
        """What the contender whose tokens belong below `secret/tokens/<prefix>` is given."""
        task = Task(
            vault=self.site.bao.address,
            vault_token=self.token.reveal(),
            token_url=self.site.oidc.token_url,
            scope=SCOPE,
            source=SOURCE,
            sink=sink(prefix),
            names=self.names,
            concurrency=CONCURRENCY,
            configuration=str(self.configuration(prefix)),
        )
        return asdict(task)

    def configuration(self, prefix: str, more: Callable[[str], str] = lambda _: "") -> Path:
        """Write a configuration of rotator for these paths, which holds it back in nothing.

        Args:
            prefix: The directory in Vault below `secret/tokens`.
            more: Further sinks of a credential, as TOML.
        """
        home, site = self.site.home, self.site
        text = f'state_dir = "{home}/{prefix}-state"\n[log]\nformat = "json"\n[vault]\naddress = "{site.bao.address}"\n'
        text += '[vault.auth]\nmethod = "approle"\nrole_id_file = "role-id"\nsecret_id_file = "secret-id"\n'
        text += f'[providers.thx]\ntoken_url = "{site.oidc.token_url}"\nscope = "{SCOPE}"\n'
        text += (
            f'rate_limit = "100000/s"\nmax_in_flight = 64\n[defaults]\nprovider = "thx"\nrecheck_interval = "{QUIET}"\n'
        )
        for name in self.names:
            text += f'[credentials.{name}]\nsource = {{ type = "vault", path = "secret/apps/{name}" }}\nsinks = [\n'
            text += f'  {{ type = "vault", path = "secret/tokens/{prefix}/{name}" }},\n{more(name)}]\n'
        file = home / f"{prefix}.toml"
        file.write_text(text)
        return file


QUIET = "24h"
"""Between two looks at everything: they would fall into the time of other contenders."""


def sink(prefix: str) -> str:
    """The path, as the HTTP API has it, below which a contender's tokens are."""
    return f"secret/data/tokens/{prefix}"


@asynccontextmanager
async def ground(credentials: int) -> AsyncIterator[Ground]:
    """Start the servers, and end them in the end, whatever happens.

    Args:
        credentials: How many.

    Raises:
        BaoError, RuntimeError: A server does not start.
    """
    names = tuple(f"app-{number:04}" for number in range(credentials))
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotator-bench-")))
        oidc = stack.enter_context(OidcProvider())
        bao = await stack.enter_async_context(BaoServer("inmem"))
        await bao.enable_approle()
        site = Site(home, bao, oidc, lifetime=LIFETIME)
        await site.prepare(names)
        yield Ground(site, names, await bao.create_token("rotator", ttl="12h"))
