"""What the members of a fleet stand on; and what can never work as it is configured, found before one is put up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files.sink import FileSink
from rotator.fleet.member import Member, Origin, Shared, member
from rotator.settings import translate
from rotator.settings.problems import Problem
from rotator.settings.sinks import FileSink as FileSinkSection

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rotator.files.state import StateDirectory
    from rotator.settings.credential import Credential
    from rotator.settings.model import Security

NEVER_MENDED = frozenset(
    {
        *(Code.FILE_OWNER, Code.FILE_UNSAFE, Code.FILE_DENIED),
        *(Code.HOOK_COMMAND, Code.HOOK_UNSAFE, Code.HOOK_BEARER),
    }
)
"""What is wrong in a way that waiting does not mend; told at the start and not at three at night."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What members are put up on, by the configuration in force.

    Attributes:
        shared: What they have in common.
        state: Where what files cannot carry is kept.
        security: What is allowed although it is less safe.
    """

    shared: Shared
    state: StateDirectory
    security: Security

    def member(self, name: str, origin: Origin, running: Member | None) -> Member:
        """See `rotator.fleet.member.member`."""
        return member(name, origin, self.shared, self.state, self.security, running)

    async def try_out(self, place: str, name: str, credential: Credential) -> list[Problem]:
        """What can never work of a credential's files, and of what is to be done after writes.

        Args:
            place: Of its section, for messages: `credentials.billing`.
            name: The credential's.
            credential: Its section.
        """
        problems: list[Problem] = []
        for index, section in enumerate(credential.sinks):
            key = f"{place}.sinks[{index}]"
            if isinstance(section, FileSinkSection):
                file = FileSink(translate.file_sink(section), name, self.state)
                problems += await _hopeless(key, file.check(), "a file that can be written safely")
            hooks = section.hooks(self.shared.clock, shared=self.security.allow_shared_secret_files)
            for number, hook in enumerate(hooks):
                here = f"{key}.after_write[{number}]"
                problems += await _hopeless(here, hook.check(), "something that can be done after a write")
        return problems


async def _hopeless(key: str, check: Awaitable[object], wanted: str) -> list[Problem]:
    """The problem with what can never work as configured; none when nothing is known to speak against it."""
    try:
        await check
    except ValueError as error:
        return [Problem(key, None, str(error), wanted)]
    except RotationError as error:
        return [Problem(key, None, error.detail, wanted, error.code.cure)] if error.code in NEVER_MENDED else []
    return []
