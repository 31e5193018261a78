"""The real `kube-apiserver` on a real `etcd`, where $KUBEBUILDER_ASSETS names the directory that holds both.

That is envtest's convention (https://book.kubebuilder.io/reference/envtest): `setup-envtest use -p env` prints it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rotator.demo import ports
from rotator.demo.child import Child
from tests.support.kubernetes import ADMIN, USERS, token_of

READY = 60.0
"""Seconds for either to start."""


def assets() -> Path | None:
    """The directory with the programs; None where there is none."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(named) if named else None


class RealApiServer:
    """Both programs; `async with` starts them.

    Args:
        certificate: A PEM file with a certificate for localhost and its key.
        programs: The directory with `kube-apiserver` and `etcd`.
    """

    def __init__(self, certificate: Path, programs: Path) -> None:
        self.ca_file = certificate
        self._programs = programs
        self._stack = ExitStack()
        self._children: list[Child] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kube-")))
        etcd, self.port = (ports.to_try(0)[0] for _ in range(2))
        client = f"http://127.0.0.1:{etcd}"
        peer = f"http://127.0.0.1:{etcd + 1}"
        flags = [
            f"--data-dir={home / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]
        await self._start("etcd", flags, home, "ready to serve client requests")
        await self._start("kube-apiserver", self._flags(home, client), home, "Caches are synced for crd-autoregister")
        return self

    async def _start(self, program: str, flags: list[str], home: Path, phrase: str) -> None:
        child = Child([str(self._programs / program), *flags], home, home / f"{program}.log")
        self._children.append(child)
        if not await child.says(phrase, READY):
            raise RuntimeError(f"{program} did not start: {child.words()[-3000:]}")

    def _flags(self, home: Path, etcd: str) -> list[str]:
        tokens, key = home / "tokens.csv", home / "service-accounts.pem"
        groups = {ADMIN: '"system:masters"'}
        tokens.write_text("".join(f"{token_of(user)},{user},{user},{groups.get(user, '')}\n" for user in USERS))
        key.write_bytes(
            rsa.generate_private_key(65537, 2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return [
            f"--etcd-servers={etcd}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={home / 'certificates'}",
            f"--tls-cert-file={self.ca_file}",
            f"--tls-private-key-file={self.ca_file}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://localhost",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            "--disable-admission-plugins=ServiceAccount",
        ]

    async def __aexit__(self, *_: object) -> None:
        for child in reversed(self._children):
            await child.stop()
        self._stack.close()
