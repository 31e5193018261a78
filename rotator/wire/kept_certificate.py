"""A client certificate that is kept in memory: its private key came from a store, and no file of ours shall hold it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.wire.trust import ClientCertificate, UnusableCertificateError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from rotator.core.model import Secret


class KeptCertificate:
    """As `rotator.wire.trust.ClientCertificate`, from texts.

    Args:
        chain: The certificate in PEM, followed by those between it and the authority that the server trusts.
        key: Its private key in PEM, not encrypted.
    """

    def __init__(self, chain: Secret, key: Secret) -> None:
        self._chain = chain
        self._key = key

    def stamp(self) -> None:
        """It never changes: another text is another certificate."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let connections of this context show the certificate to servers that ask for one.

        OpenSSL takes it from files only; these have no name on any disk and are gone afterwards (memfd_create(2)).

        Raises:
            UnusableCertificateError: One of the two is no PEM, or the key is encrypted or another one's.
        """
        with _nameless(self._chain) as chain, _nameless(self._key) as key:
            try:
                ClientCertificate(chain, key).load_into(context)
            except UnusableCertificateError as error:
                told = str(error)
            else:
                return
        told = told.replace(str(chain), "the client's certificate").replace(str(key), "the client's private key")
        raise UnusableCertificateError(told)


@contextmanager
def _nameless(text: Secret) -> Iterator[Path]:
    descriptor = os.memfd_create("rotator")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(text.reveal().encode())
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
