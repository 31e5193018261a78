"""Client credentials in environment variables, as they were when the process was started."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rotator.core.document import Found, credentials, with_digest
from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.document import Wanted
    from rotator.core.model import ClientCredentials

PLACE = "the environment"


class EnvironmentSource:
    """Reads client credentials from variables. They are what they are until the process is started anew.

    Args:
        variables: Which variable holds which field.
        environ: The environment as it was at the start.
        wanted: Which fields are needed.
        given: Fields that are told elsewhere.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        environ: Mapping[str, str],
        wanted: Wanted,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self._variables = dict(variables)
        # Only what is needed is kept.
        self._held = {field: environ[name] for field, name in variables.items() if environ.get(name)}
        self._given = dict(given or {})
        self._wanted = wanted
        self._read: ClientCredentials | None = None

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`.

        Raises:
            RotationError: SECRET_MISSING when no variable is set, SECRET_MALFORMED when one that is needed is not.
        """
        if not self._held:
            raise RotationError(
                Code.SECRET_MISSING,
                f"none of the variables that hold {' and '.join(self._variables)} is set; "
                "wanted each of them, and not empty: set them where rotator is started, and start it anew",
            )
        if self._read is None:
            read = credentials(Found({**self._held, **self._given}, "", PLACE, self._cure), self._wanted)
            self._read = await asyncio.to_thread(with_digest, read, PLACE)
        return self._read

    def _cure(self, field: str) -> str:
        if field in self._variables:
            return "Set its variable where rotator is started, and start it anew"
        return f"Name its variable: variables.{field}"
