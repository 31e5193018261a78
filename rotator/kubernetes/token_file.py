"""The bearer token that lets rotator into a cluster.

The kubelet replaces a projected token when four fifths of its life are over, by swapping a symbolic link; it expects
programs to read the file again
(https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.wire.faults import system_reason

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 64 << 10
"""Bytes; a service account's token has about one thousand."""


class TokenFile:
    """A file that holds nothing but a bearer token.

    Args:
        path: Of the file; a symbolic link is followed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: tuple[tuple[int, int, int], Secret] | None = None

    def current(self) -> Secret:
        """The token as the file has it now; the file is opened only when it is another one than before.

        Raises:
            RotationError: KUBERNETES_LOGIN_REFUSED: it is missing, unreadable, or holds no token.
        """
        try:
            status = os.stat(self._path)  # noqa: PTH116  one system call per request, without the detour over pathlib
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            if self._held is None or self._held[0] != stamp:
                self._held = stamp, self._read()
        except OSError as error:
            why = f"cannot be read: {system_reason(error)}"
        else:
            return self._held[1]
        raise self._unusable(why)

    def again(self) -> Secret:
        """The token, read anew whether or not the file looks changed.

        Raises:
            RotationError: KUBERNETES_LOGIN_REFUSED.
        """
        self._held = None
        return self.current()

    def _read(self) -> Secret:
        with self._path.open("rb") as file:
            content = file.read(LARGEST + 1).strip()
        if len(content) > LARGEST or not re.fullmatch(rb"[!-~]+", content):
            raise self._unusable(f"holds {'nothing' if not content else 'no single word of printable characters'}")
        return Secret(content.decode("ascii"))

    def _unusable(self, why: str) -> RotationError:
        return RotationError(
            Code.KUBERNETES_LOGIN_REFUSED,
            f"token_file {self._path} {why}; wanted a service account's token and nothing else",
        )
