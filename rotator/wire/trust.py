"""Whom a TLS connection trusts. Certificates and host names are always checked; there is no switch for it."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from rotator.wire.faults import system_reason

if TYPE_CHECKING:
    from pathlib import Path


class UnusableCAFileError(Exception):
    """A file with certificate authorities cannot be used; the text says why."""


class Trust:
    """A TLS context that is made anew when the file with the certificate authorities is another one.

    Args:
        ca_file: PEM bundle to trust instead of the system's.
    """

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file
        self._stamp: tuple[int, int, int] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The context for the next connection.

        Raises:
            UnusableCAFileError: The file is missing, unreadable or holds no certificates.
        """
        try:
            stamp = None if self._ca_file is None else _stamp(self._ca_file)
            if self._context is None or stamp != self._stamp:
                self._context, self._stamp = _context(self._ca_file), stamp
        except (OSError, ssl.SSLError) as error:
            why = "it holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else system_reason(error)
            raise UnusableCAFileError(f"{self._ca_file} cannot be used: {why}") from None
        return self._context


def _stamp(file: Path) -> tuple[int, int, int]:
    status = os.stat(file)  # noqa: PTH116  one system call per request, without the detour over pathlib
    return status.st_mtime_ns, status.st_size, status.st_ino


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Like ssl.create_default_context, which however would write session keys where SSLKEYLOGFILE points."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context
