"""Whom a TLS connection trusts, and what it shows of us.

Certificates and host names are always checked; there is no switch for it.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from rotator.wire.faults import system_reason

if TYPE_CHECKING:
    from pathlib import Path

Stamp: TypeAlias = "tuple[int, int, int] | None"

LARGEST_PEM = 1 << 20
"""Bytes of a certificate chain or a key."""


class UnusableCAFileError(Exception):
    """A file with certificate authorities cannot be used; the text says why."""


class UnusableCertificateError(Exception):
    """A client certificate or its key cannot be used; the text says which file and why, and holds nothing of it."""


class Certificate(Protocol):
    """What we prove ourselves with on a TLS connection."""

    def stamp(self) -> object:
        """Changes when it does."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let connections of this context show it to servers that ask for one.

        Raises:
            UnusableCertificateError: It cannot be used.
        """


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What we prove ourselves with on a TLS connection (RFC 8446 section 4.4.2), in PEM files.

    Attributes:
        cert_file: The certificate, followed by those between it and the authority that the server trusts.
        key_file: Its private key, not encrypted; it may be the same file.
    """

    cert_file: Path
    key_file: Path

    def stamp(self) -> tuple[Stamp, Stamp]:
        """Changes when one of the files does."""
        return _stamp_if_there(self.cert_file), _stamp_if_there(self.key_file)

    def check(self) -> None:
        """See that the two files can be used together now.

        Raises:
            UnusableCertificateError: They cannot.
        """
        self.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let connections of this context show the certificate to servers that ask for one.

        Raises:
            UnusableCertificateError: A file is missing, unreadable, no PEM, or the key is encrypted or another one's.
        """
        _refuse_without(self.cert_file, b"-----BEGIN CERTIFICATE-----", "no certificate")
        _refuse_without(self.key_file, b"PRIVATE KEY-----", "no private key")
        encrypted = []

        def no_passphrase() -> str:
            # Without this OpenSSL would ask for it on the terminal.
            encrypted.append(True)
            return ""

        try:
            context.load_cert_chain(self.cert_file, self.key_file, password=no_passphrase)
        except OSError as error:  # also ssl.SSLError
            reason = (error.reason or "broken PEM") if isinstance(error, ssl.SSLError) else system_reason(error)
        else:
            return
        if encrypted:
            raise UnusableCertificateError(f"{self.key_file} cannot be used: the key in it is encrypted")
        if reason == "KEY_VALUES_MISMATCH":
            raise UnusableCertificateError(f"{self.key_file} holds the key of another than {self.cert_file}")
        raise UnusableCertificateError(f"{self.cert_file} and {self.key_file} cannot be used: OpenSSL says {reason}")


class Trust:
    """A TLS context that is made anew when one of the files that it is made from is another one.

    A client certificate and its key that are being replaced, one file after the other, do not fit each other for a
    moment: until they do, connections go on showing the pair before. A CA file fails closed instead.

    Args:
        ca_file: PEM bundle to trust instead of the system's.
        certificate: What is shown to servers that ask for it; None for nothing.
    """

    def __init__(self, ca_file: Path | None, certificate: Certificate | None = None) -> None:
        self._ca_file = ca_file
        self._certificate = certificate
        self._seen: tuple[Stamp, object] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The context for the next connection; another object once it shows or trusts something else.

        Raises:
            UnusableCAFileError: The file is missing, unreadable or holds no certificates.
            UnusableCertificateError: The client certificate cannot be used, and none could before.
        """
        try:
            trusted = None if self._ca_file is None else _stamp(self._ca_file)
            stamps = (trusted, None if self._certificate is None else self._certificate.stamp())
            if self._context is None or stamps != self._seen:
                self._context = self._make(trusted)
                self._seen = stamps
        except OSError as error:  # also ssl.SSLError
            why = "it holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else system_reason(error)
        else:
            return self._context
        raise UnusableCAFileError(f"{self._ca_file} cannot be used: {why}")

    def _make(self, trusted: Stamp) -> ssl.SSLContext:
        context = _context(self._ca_file)
        if self._certificate is not None:
            try:
                self._certificate.load_into(context)
            except UnusableCertificateError:
                if self._context is None or self._seen is None or self._seen[0] != trusted:
                    raise
                return self._context
        return context


def _stamp(file: Path) -> tuple[int, int, int]:
    status = os.stat(file)  # noqa: PTH116  one system call per request, without the detour over pathlib
    return status.st_mtime_ns, status.st_size, status.st_ino


def _stamp_if_there(file: Path) -> Stamp:
    try:
        return _stamp(file)
    except OSError:
        return None


def _refuse_without(file: Path, mark: bytes, what: str) -> None:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_PEM)
    except OSError as error:
        why = system_reason(error)
    else:
        if mark in content:
            return
        why = f"it holds {what} in PEM form"
    raise UnusableCertificateError(f"{file} cannot be used: {why}")


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Like ssl.create_default_context, which however would write session keys where SSLKEYLOGFILE points."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context
