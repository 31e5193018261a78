"""Paths as `vault kv get` takes them: which mount serves a path, and in which version of KV."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from rotator.core.errors import Code, RotationError
from rotator.vault.answers import malformed
from rotator.vault.policies import missing_capabilities, stanza, within

if TYPE_CHECKING:
    from rotator.vault.answers import Document
    from rotator.vault.policies import Caller, Needs

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def check_path(path: str) -> str:
    """The path, if it is one that means the same to every reader (G08).

    Args:
        path: Mount and key, as `vault kv get` takes them.

    Raises:
        ValueError: With a sentence that says what is wrong and what is wanted.
    """
    segments = path.split("/")
    faults = (
        (not path.isascii() or not path.isprintable(), "it holds characters other than printable ASCII"),
        (path.startswith("/") or path.endswith("/"), "it begins or ends with a slash"),
        ("//" in path, "it holds an empty segment (//)"),
        (any(segment in {".", ".."} for segment in segments), "it holds a segment . or .."),
        (any(segment.endswith(".") for segment in segments), "a segment ends with a dot"),
        (any(segment != segment.strip() for segment in segments), "a segment begins or ends with a space"),
        (_ESCAPE.search(path) is not None, "it holds a percent escape; write the character itself"),
        ("\\" in path, "it holds a backslash"),
        (any(character in path for character in "?#*"), "it holds one of ? # *"),
        (len(segments) < 2, "it names no key below a mount"),  # noqa: PLR2004  a mount and a key
    )
    for wrong, why in faults:
        if wrong:
            raise ValueError(
                f"the Vault path {path!r} cannot be used: {why}. Wanted: mount/key, as `vault kv get` takes it"
            )
    return path


@dataclass(frozen=True, slots=True)
class Place:
    """One key of one KV secrets engine.

    Attributes:
        mount: Where the engine is mounted, without slashes around it.
        version: Of the engine, 1 or 2.
        path: Mount and key, as `vault kv get` takes them.
    """

    mount: str
    version: int
    path: str

    @property
    def key(self) -> str:
        """The path below the mount."""
        return self.path.removeprefix(f"{self.mount}/")

    @property
    def data(self) -> str:
        """The API path of the document."""
        return self.path if self.version == 1 else f"{self.mount}/data/{self.key}"

    @property
    def metadata(self) -> str:
        """The API path of the key's metadata; KV v2 only."""
        return f"{self.mount}/metadata/{self.key}"


class Mounts:
    """Resolves paths, asking Vault once per mount.

    Mounts do not nest in Vault, so that a known mount serves every path below it.

    Args:
        caller: Who asks.
        namespace: In which it asks, for messages; empty for the root namespace.
    """

    def __init__(self, caller: Caller, namespace: str = "") -> None:
        self._caller = caller
        self._where = within(namespace)
        self._known: dict[str, int] = {}
        self._asked: dict[str, asyncio.Event] = {}

    async def resolve(self, path: str) -> Place:
        """The place that a path means.

        Those who ask at the same time about paths with the same first segment wait for one answer, which most often
        serves them all.

        Args:
            path: One that `check_path` lets through.

        Raises:
            RotationError: MOUNT_MISSING when no KV engine serves the path; VAULT_DENIED when that cannot be told,
                because the token may do nothing below it; VAULT_*.
        """
        known, first = self._served(path), path.partition("/")[0]
        if known is None and first in self._asked:
            # Once: when that has failed, nobody waits for a second one, which would take its time as well.
            await self._asked[first].wait()
            known = self._served(path)
        return known if known is not None else await self._ask(path, first)

    def stands(self, place: Place) -> bool:
        """Whether a place is what `resolve` would answer, as far as is known."""
        return self._known.get(place.mount) == place.version

    def forget(self, place: Place) -> None:
        """Ask anew the next time: what was found there did not look like this place (V22)."""
        self._known.pop(place.mount, None)

    def _served(self, path: str) -> Place | None:
        """The place of a path below a mount that is known."""
        for mount, version in self._known.items():
            if path.startswith(f"{mount}/"):
                return Place(mount, version, path)
        return None

    async def _ask(self, path: str, first: str) -> Place:
        answered = self._asked.setdefault(first, asyncio.Event())
        url = f"/v1/sys/internal/ui/mounts/{quote(path)}"
        try:
            mount, version = _mount(path, await self._caller.call(lambda client: client.adapter.get(url), {}))
        except RotationError as error:
            raise (await self._unseen(path) if error.code is Code.VAULT_DENIED else error) from None
        finally:
            answered.set()
            self._asked.pop(first, None)
        self._known[mount] = version
        return Place(mount, version, path)

    async def _unseen(self, path: str) -> RotationError:
        """Vault refuses to name the mount: because there is none, or because the token may do nothing there."""
        guesses = _guesses(path)
        missing = await missing_capabilities(self._caller, guesses)
        if len(missing) < len(guesses):
            return RotationError(
                Code.MOUNT_MISSING,
                f"nothing is mounted at {path}{self._where}, although the token's policies allow that path",
            )
        likeliest = {guess: guesses[guess] for guess in list(guesses)[:1]}
        return RotationError(
            Code.VAULT_DENIED,
            f"Vault does not say what is mounted at {path}{self._where}: no policy of rotator's token allows anything "
            f"there, or there is no such mount. For KV v2 add to a policy: {stanza(likeliest)}",
        )


def _guesses(path: str) -> Needs:
    """The API paths that `path` means if its mount is the first segment, the first two, …, or KV v1."""
    segments = path.split("/")
    splits = [("/".join(segments[:n]), "/".join(segments[n:])) for n in range(1, len(segments))]
    return {**{f"{mount}/data/{key}": ("read",) for mount, key in splits}, path: ("read",)}


def _mount(path: str, document: Document) -> tuple[str, int]:
    match document.get("data"):
        case {"path": str() as mount, "type": "kv" | "generic", "options": {"version": "2"}}:
            version = 2
        case {"path": str() as mount, "type": "kv" | "generic"}:
            version = 1
        case {"path": str(), "type": str()}:
            raise RotationError(Code.MOUNT_MISSING, f"what is mounted at {path} is no KV secrets engine")
        case _:
            raise malformed(f"the answer about the mount of {path} does not name it")
    if not path.startswith(f"{mount.strip('/')}/"):
        raise malformed(f"the answer about the mount of {path} names another one")
    return mount.strip("/"), version
