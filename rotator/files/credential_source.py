"""Client credentials that systemd hands to a service: LoadCredential=, LoadCredentialEncrypted=, SetCredential=.

The service finds them as files below $CREDENTIALS_DIRECTORY, which no other service can read; see systemd.exec(5). They
are what they were when the service was started, unless its unit says that a reload hands them over anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files.source import FileSource, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.document import Wanted
    from rotator.core.model import ClientCredentials

DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable that names the directory."""


class CredentialSource:
    """Reads client credentials from the credentials of the service.

    Args:
        environ: The environment as it was at the start.
        name: The credential that holds a JSON object; None when each field has its own.
        credentials: The credential that holds each field.
        wanted: Which fields are needed; where each has its own credential, by our names.
        given: Fields that are told elsewhere.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        name: str | None,
        credentials: Mapping[str, str],
        wanted: Wanted,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self._names = " or ".join(dict.fromkeys(credentials.values()) if name is None else [name])
        directory = environ.get(DIRECTORY, "")
        self._handed_over = directory != ""
        words = Words(
            # Not the directory itself, whose name is another one for each unit: all of them see one version.
            place=f"${DIRECTORY}" if name is None else f"${DIRECTORY}/{name}",
            absent=f"there is no credential {self._names} in {directory}; {_wanted(self._names)}",
            cure=lambda field: (
                f"It is the credential {credentials[field]}"
                if field in credentials
                else f"Add it to the file of {name}"
                if name is not None
                else f"Name its credential: credentials.{field}"
            ),
        )
        self._files = FileSource(Path(directory, name or ""), wanted, given=given, files=credentials, words=words)

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`.

        Raises:
            RotationError: SECRET_MISSING when systemd has not handed them over; otherwise as `FileSource`.
        """
        if not self._handed_over:
            raise RotationError(
                Code.SECRET_MISSING,
                f"rotator was started without credentials of systemd (${DIRECTORY} is not set), among them "
                f"{self._names}; {_wanted(self._names)}",
            )
        return await self._files.read()


def _wanted(names: str) -> str:
    return f"wanted LoadCredential= or its like for {names} in the [Service] of rotator's unit, and a restart"
