"""Kubernetes (https://openbao.org/docs/auth/kubernetes/): a pod's service account speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rotator.vault.auth import Lease, Login, trade
from rotator.vault.inputs import fetch, origin, stamp

if TYPE_CHECKING:
    from rotator.vault.auth import Connect
    from rotator.vault.inputs import SecretInput

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where the kubelet puts a pod's token. It replaces it before it ends, after an hour as a rule."""


@dataclass(frozen=True, slots=True)
class KubernetesLogin(Login):
    """The token of a service account, which Vault has the cluster review.

    Attributes:
        role: The role at the mount, which names the service accounts that it takes.
        token: The service account's token.
        mount: Where the method is mounted.
    """

    kind: ClassVar[str] = "kubernetes"

    role: str
    token: SecretInput = SERVICE_ACCOUNT_TOKEN
    mount: str = "kubernetes"

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.token)

    async def login(self, connect: Connect) -> Lease:
        """Trade the service account's token for one of Vault. See `Login`."""
        token = fetch(self.token, "the service account's token")
        who = f"Kubernetes login at {self.mount!r} as role {self.role!r}; token {origin(self.token)}"
        return await trade(connect, self.mount, {"role": self.role, "jwt": token.reveal()}, who)
