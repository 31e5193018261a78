"""Client certificates: what makes them unusable, and what happens while they are being replaced."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from rotator.wire.trust import ClientCertificate, Trust, UnusableCAFileError, UnusableCertificateError
from tests.support.certificates import self_signed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> ClientCertificate:
    return write(tmp_path)


def write(directory: Path) -> ClientCertificate:
    """A new certificate and its key, in two files."""
    whole = self_signed(directory / "whole.pem").read_text()
    certificate, begin, key = whole.partition("-----BEGIN PRIVATE KEY-----")
    pair = ClientCertificate(directory / "client.pem", directory / "client.key")
    pair.cert_file.write_text(certificate)
    pair.key_file.write_text(begin + key)
    return pair


def refusal(pair: ClientCertificate) -> str:
    with pytest.raises(UnusableCertificateError) as caught:
        pair.check()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


def test_a_certificate_and_its_key_can_be_used_from_two_files_or_from_one(
    tmp_path: Path, pair: ClientCertificate
) -> None:
    pair.check()
    whole = tmp_path / "whole.pem"
    ClientCertificate(whole, whole).check()


@pytest.mark.parametrize(("name", "what"), [("client.pem", "no certificate"), ("client.key", "no private key")])
def test_a_file_that_holds_something_else_is_named(
    tmp_path: Path, pair: ClientCertificate, name: str, what: str
) -> None:
    file = tmp_path / name
    file.write_text("s3cret")
    assert refusal(pair) == f"{file} cannot be used: it holds {what} in PEM form"


@pytest.mark.parametrize("name", ["client.pem", "client.key"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, pair: ClientCertificate, name: str) -> None:
    (tmp_path / name).unlink()
    assert refusal(pair) == f"{tmp_path / name} cannot be used: ENOENT"


def test_a_file_with_broken_pem_is_named(pair: ClientCertificate) -> None:
    text = pair.key_file.read_text()
    pair.key_file.write_text(text.replace("\nM", "\n!"))
    assert refusal(pair).startswith(f"{pair.cert_file} and {pair.key_file} cannot be used: OpenSSL says ")


def test_a_key_of_another_certificate_is_told(tmp_path: Path, pair: ClientCertificate) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path / "other").key_file.replace(pair.key_file)
    assert refusal(pair) == f"{pair.key_file} holds the key of another than {pair.cert_file}"


def test_an_encrypted_key_is_told_and_nobody_is_asked_for_its_passphrase(pair: ClientCertificate) -> None:
    key = serialization.load_pem_private_key(pair.key_file.read_bytes(), None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pair.key_file.write_bytes(key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"s3cret")))
    assert refusal(pair) == f"{pair.key_file} cannot be used: the key in it is encrypted"


def test_a_context_is_kept_until_a_file_changes(tmp_path: Path, pair: ClientCertificate) -> None:
    trust = Trust(None, pair)
    first = trust.context()
    assert trust.context() is first
    write(tmp_path)
    assert trust.context() is not first


def test_while_certificate_and_key_do_not_fit_each_other_the_pair_before_is_shown(
    tmp_path: Path, pair: ClientCertificate
) -> None:
    trust = Trust(None, pair)
    before = trust.context()
    (tmp_path / "new").mkdir()
    new = write(tmp_path / "new")
    new.cert_file.replace(pair.cert_file)
    assert trust.context() is before
    assert trust.context() is before
    new.key_file.replace(pair.key_file)
    assert trust.context() is not before


def test_a_certificate_that_could_never_be_used_is_no_context(pair: ClientCertificate) -> None:
    pair.key_file.unlink()
    trust = Trust(None, pair)
    for _ in range(2):
        with pytest.raises(UnusableCertificateError):
            trust.context()


def test_a_ca_file_that_is_replaced_together_with_a_broken_pair_fails_closed(
    tmp_path: Path, pair: ClientCertificate
) -> None:
    authorities = self_signed(tmp_path / "ca.pem")
    trust = Trust(authorities, pair)
    assert isinstance(trust.context(), ssl.SSLContext)
    pair.key_file.write_text("")
    self_signed(authorities)
    with pytest.raises(UnusableCertificateError):
        trust.context()
    authorities.unlink()
    with pytest.raises(UnusableCAFileError):
        trust.context()
