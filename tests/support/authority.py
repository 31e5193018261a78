"""A certificate authority of a test: for servers on loopback, and for clients that show who they are (RFC 8705)."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

PEM = serialization.Encoding.PEM
LOOPBACK = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


class Certificate:
    """A certificate and its key.

    Attributes:
        x509: The certificate.
        key: Its private key, on P-256.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.x509 = certificate
        self.key = key

    @property
    def subject(self) -> str:
        """Its subject as RFC 4514 writes it, which is how `tls_client_auth_subject_dn` names it."""
        return self.x509.subject.rfc4514_string()

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.x509.public_bytes(PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key, unencrypted."""
        plain = serialization.NoEncryption()
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain).decode()

    @property
    def thumbprint(self) -> str:
        """What a token that is bound to it carries as `cnf.x5t#S256` (RFC 8705 section 3.1)."""
        return base64.urlsafe_b64encode(self.x509.fingerprint(hashes.SHA256())).rstrip(b"=").decode()

    def jwks(self) -> dict[str, Any]:
        """The key set that registers it for self_signed_tls_client_auth (RFC 8705 section 2.2.2)."""
        numbers = self.key.public_key().public_numbers()
        x, y = (base64.urlsafe_b64encode(n.to_bytes(32)).rstrip(b"=").decode() for n in (numbers.x, numbers.y))
        der = base64.b64encode(self.x509.public_bytes(serialization.Encoding.DER)).decode()
        return {"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "x5c": [der]}]}

    def write(self, certificate: Path, key: Path) -> None:
        """Write both as PEM, for programs that read files; the key for its owner only."""
        certificate.write_text(self.pem)
        key.touch(mode=0o600)
        key.write_text(self.key_pem)


class Authority:
    """One that signs for an hour."""

    def __init__(self, name: str = "an authority for tests") -> None:
        self.root = _made(name, None, ())

    def server(self) -> Certificate:
        """A certificate for localhost and 127.0.0.1."""
        return _made("localhost", self.root, LOOPBACK)

    def client(self, name: str) -> Certificate:
        """A certificate whose subject is `CN=name`, and whose DNS name is `name.test`."""
        return _made(name, self.root, (x509.DNSName(f"{name}.test"),))


def self_signed(name: str) -> Certificate:
    """A client's certificate that nobody vouches for."""
    return _made(name, None, (x509.DNSName(f"{name}.test"),))


def _made(name: str, issuer: Certificate | None, names: tuple[x509.GeneralName, ...]) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251  certificates are dated by the wall clock
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.x509.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=9))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = made.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return Certificate(made.sign(key if issuer is None else issuer.key, hashes.SHA256()), key)
