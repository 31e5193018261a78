"""A source in an INI file: a section for each credential, which holds client_id, client_secret and others."""

from __future__ import annotations

import asyncio
import configparser
from typing import TYPE_CHECKING

from rotator.plugins import (
    AbsolutePath,
    Code,
    Found,
    PlainText,
    Plugin,
    RotationError,
    Section,
    SourceKind,
    credentials,
    with_digest,
)

if TYPE_CHECKING:
    from rotator.plugins import ClientCredentials, Secret, Site


class Settings(Section):
    """The keys beside `type` and `fields`."""

    file: AbsolutePath
    section: PlainText = ""


class IniSource:
    """Reads the file anew each time; its version is a digest of what the section holds."""

    def __init__(self, settings: Settings, site: Site) -> None:
        self._file = settings.file
        self._section = settings.section or site.credential
        self._site = site
        self._known: tuple[Secret, ClientCredentials] | None = None

    async def read(self) -> ClientCredentials:
        """The credentials as they stand there now."""
        text = await self._site.secret(self._file, lines=True)
        if self._known is None or self._known[0] != text:
            place = f"[{self._section}] of {self._file}"
            found = Found(self._fields(text), "", place, lambda key: f"Write {key} = … there")
            read = credentials(found, self._site.wanted)
            self._known = text, await asyncio.to_thread(with_digest, read, place)
        return self._known[1]

    def _fields(self, text: Secret) -> dict[str, str]:
        parser = configparser.ConfigParser(interpolation=None, delimiters="=", comment_prefixes=("#", ";"))
        try:
            parser.read_string(text.reveal())
        except configparser.Error:
            parser.clear()
            broken = True
        else:
            broken = False
        # Not raised above: the exception that was met there quotes lines of the file.
        if broken:
            raise RotationError(Code.SECRET_MALFORMED, f"{self._file} is no INI file; wanted one: mend it")
        if self._section not in parser:
            raise RotationError(
                Code.SECRET_MISSING, f"{self._file} has no section [{self._section}]; wanted one: write it there"
            )
        return dict(parser[self._section])


plugin = Plugin(api=1, kind=SourceKind(settings=Settings, make=IniSource))
