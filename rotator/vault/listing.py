"""The keys below a path of a KV secrets engine, in pages where the server has them.

OpenBao answers a LIST in pages (`after`, `limit`); HashiCorp's Vault takes no notice of these and answers at once. See
https://openbao.org/api-docs/secret/kv/kv-v2/#list-secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from rotator.vault.answers import NotFoundError, malformed
from rotator.vault.transport import LIST

if TYPE_CHECKING:
    from rotator.vault.answers import Document
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

PAGE = 1000
"""Keys of one answer."""

MOST = 1_000_000
"""Keys below one path; more are more than anybody meant."""

DEEPEST = 16
"""Folders within folders."""


class Listing:
    """Lists keys.

    Args:
        session: How Vault is asked.
        below: The path, as `vault kv list` takes it.
        at_any_depth: Whether keys below keys are listed as well.
    """

    def __init__(self, session: VaultSession, below: str, *, at_any_depth: bool) -> None:
        self.session = session
        self._below = below
        self._at_any_depth = at_any_depth

    async def keys(self) -> list[str]:
        """The keys, below the path, in no particular order; none when there is nothing below it.

        A key whose newest version was deleted is still listed.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """
        place = await self._place()
        found: list[str] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            for key in await self._folder(place, folder):
                if not key.endswith("/"):
                    found.append(folder + key)
                elif self._at_any_depth and folder.count("/") < DEEPEST:
                    folders.append(folder + key)
            if len(found) > MOST:
                raise malformed(f"there are more than {MOST} keys below {self._below}")
        if not found:
            # An engine that is gone answers like one that holds nothing.
            self.session.mounts.forget(place)
            await self._place()
        return found

    async def needs(self) -> Needs:
        """What listing needs from the policies.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """
        folder = _folder(await self._place())
        # With the star, as folders at any depth need it.
        return {f"{folder}*" if self._at_any_depth else folder: ("list",)}

    async def _place(self) -> Place:
        """The place of a key that need not be there, whose folder is meant."""
        return await self.session.mounts.resolve(f"{self._below}/key")

    async def _folder(self, place: Place, folder: str) -> list[str]:
        """The keys of one folder, those of its folders with a slash behind them."""
        path, found, after = _folder(place) + folder, list[str](), ""
        while True:
            page = await self._page(path, after)
            if after and page and page[0] <= after:
                return found  # a server without pages, which has answered with everything once more
            found += page
            if len(page) != PAGE or len(found) > MOST:
                return found
            after = page[-1]

    async def _page(self, path: str, after: str) -> list[str]:
        # By GET, as Vault allows: not every proxy and load balancer knows a method LIST.
        url, parameters = (
            f"/v1/{quote(path)}",
            {LIST: "true", "limit": str(PAGE), **({"after": after} if after else {})},
        )
        try:
            document = await self.session.call(
                lambda client: client.adapter.get(url, params=parameters), {path: ("list",)}
            )
        except NotFoundError:
            return []
        return _keys(path, document)


def _folder(place: Place) -> str:
    """The API path of the folder that a key is in, with a slash behind it."""
    path = place.path if place.version == 1 else place.metadata
    return path.rpartition("/")[0] + "/"


def _keys(path: str, document: Document) -> list[str]:
    match document.get("data"):
        case {"keys": list() as keys} if all(isinstance(key, str) and key for key in keys):
            return keys
        case _:
            raise malformed(f"the answer about the keys below {path} holds none")
