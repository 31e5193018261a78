"""Certificate authorities for servers of tests, and what they sign."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority, its own certificate in `file`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"authority of {file.stem}")
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = (
            _dated(self._name, self._name, self._key.public_key(), hours=1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file.write_bytes(made.public_bytes(PEM))

    def issue(self, file: Path, address: str = "127.0.0.1", *, hours: float = 1, name: str = "server") -> Path:
        """A certificate with its key in `file`, for a server at `address` or a client, good until `hours` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _dated(_name(name), self._name, key.public_key(), hours=hours)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(made.public_bytes(PEM) + private)
        return file


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, hours: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)  # noqa: TID251  certificates are dated by the wall clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=9))
        .not_valid_after(now + timedelta(hours=hours))
    )
