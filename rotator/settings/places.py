"""URLs and paths that mean the same to every reader (G04, G08)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from rotator.files.options import WIDEST
from rotator.settings.secrecy import smells
from rotator.settings.types import _Read, refuse
from rotator.vault.mounts import check_path
from rotator.wire.addresses import is_loopback

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


class Url(_Read):
    """Where a server is. Plain http only on this machine, for it would show secrets to the network (G04)."""

    wanted = "https://HOST, with PORT and path as needed"

    def read(self, value: Any) -> str:
        """The URL."""
        if not isinstance(value, str) or len(value) > 2048 or not re.fullmatch(r"[!-~]+", value):  # noqa: PLR2004  RFC 9110 asks for 8000; nobody needs these
            raise refuse(self.wanted, "write it in ASCII without spaces; a name in another script as punycode (xn--…)")
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise refuse(self.wanted) from None
        if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[a-z0-9:._-]*[a-z0-9:]", host):
            raise refuse(self.wanted)
        self._refuse_secrets(parts.netloc, parts.query)
        if parts.fragment or "#" in value:
            raise refuse("a URL without a fragment", "leave out # and what follows")
        if parts.scheme == "http" and not is_loopback(host):
            raise refuse(
                "https://…; http:// only to 127.0.0.0/8, ::1 or localhost",
                "use https:// (ca_file names a private CA), for http would show secrets to everybody on the way",
            )
        return value

    @staticmethod
    def _refuse_secrets(netloc: str, query: str) -> None:
        if "@" in netloc:
            raise refuse("a URL without user name and password", "leave out what stands before the @, and change it")
        if any(smells(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
            raise refuse("a URL without a secret in it", "leave the parameter out, and change the secret")

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`."""
        return {**schema, "format": "uri", "pattern": "^https?://"}


class VaultUrl(Url):
    """Vault's address: no query."""

    wanted = "https://HOST:PORT, as VAULT_ADDR"

    def read(self, value: Any) -> str:
        """The URL, without slashes at its end."""
        url = super().read(value)
        if "?" in url:
            raise refuse(self.wanted, "leave out ? and what follows")
        return url.rstrip("/")


class Resource(_Read):
    """An absolute URI without a fragment (RFC 8707 section 2)."""

    def read(self, value: Any) -> str:
        """The URI."""
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!\"$-~]+", value):
            raise refuse("an absolute URI without a fragment, or a list of them (RFC 8707 section 2)")
        if "@" in urlsplit(value).netloc:
            raise refuse("a URI without user name and password", "leave out what stands before the @, and change it")
        return value


class VaultPath(_Read):
    """Mount and key, as `vault kv get` takes them."""

    def read(self, value: Any) -> str:
        """The path."""
        if not isinstance(value, str):
            raise refuse("mount/key, as `vault kv get` takes it")
        try:
            return check_path(value)
        except ValueError as error:
            why, _, wanted = str(error).partition("cannot be used: ")[2].partition(". Wanted: ")
            raise refuse(wanted or "mount/key, as `vault kv get` takes it", why) from None


class FileName(_Read):
    """A file: absolute, or a plain relative name."""

    wanted = "the path of a file"
    absolute = False

    def read(self, value: Any) -> Any:
        """The path."""
        if isinstance(value, Path):
            return value
        why = "it is no text" if not isinstance(value, str) else path_fault(value)
        if isinstance(value, str) and self.absolute and not value.startswith("/"):
            why = why or "it does not begin with a slash"
        if why:
            raise refuse(self.wanted, f"{why}; write the path out")
        return value


class AbsoluteFile(FileName):
    """A file, wherever rotator is started."""

    wanted = "the absolute path of a file"
    absolute = True


def path_fault(path: str) -> str:
    """What makes a file's path one that two readers may understand differently; empty when nothing does."""
    segments = path.split("/")
    faults = (
        (not path or path.endswith("/"), "it names no file"),
        (not path.isascii() or not path.isprintable(), "it holds characters other than printable ASCII"),
        ("//" in path, "it holds an empty segment (//)"),
        (any(segment in {".", ".."} for segment in segments), "it holds a segment . or .."),
        (any(segment.endswith(".") for segment in segments), "a segment ends with a dot"),
        (any(segment != segment.strip() for segment in segments), "a segment begins or ends with a space"),
        (_ESCAPE.search(path) is not None, "it holds a percent escape"),
        (
            any(character in path for character in "\\$*?") or path.startswith("~"),
            "nothing in it is expanded: \\ $ * ? ~",
        ),
    )
    return next((why for wrong, why in faults if wrong), "")


class Mode(_Read):
    """Permission bits in octal, as text: TOML would read a bare 640 as decimal."""

    def read(self, value: Any) -> int:
        """The bits."""
        if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
            raise refuse('permission bits in octal and in quotes, such as "0640"')
        mode = int(value, 8)
        if mode & ~WIDEST or not mode & 0o400:
            raise refuse(
                f'"0400" to "{WIDEST:04o}": no write for the group, nothing for others',
                'put the consumers into a group, and set group and mode = "0640"',
            )
        return mode

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  the base's signature
        """See `_Read`."""
        return {"type": "string", "pattern": "^0?[0-7]{3}$", "description": "Permission bits, in octal."}


UrlText = Annotated[str, Url()]
VaultUrlText = Annotated[str, VaultUrl()]
ResourceText = Annotated[str, Resource()]
VaultPathText = Annotated[str, VaultPath()]
File = Annotated[Path, FileName()]
AbsolutePath = Annotated[Path, AbsoluteFile()]
ModeBits = Annotated[int, Mode()]
