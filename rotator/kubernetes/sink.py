"""A Kubernetes Secret as a sink, kept by server-side apply.

Each write is one apply of all that rotator wants, by the field manager `rotator`, and with the resourceVersion that it
replaces: the server refuses it when somebody else wrote meanwhile, and the better token stays. Values of ours that
somebody edited are taken back (V23), as Kubernetes advises controllers to: the mark says whose the Secret is.
An apply has no way to say "only if there is none yet". So a Secret is first made with our mark and without values, by
a field manager of its own: that changes nothing where another rotator was quicker, and its answer tells the version.
See https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.kubernetes.answers import AbsentError, Asked, StaleError, malformed
from rotator.kubernetes.secret import resource_version

if TYPE_CHECKING:
    from rotator.kubernetes.answers import Document
    from rotator.kubernetes.cluster import Cluster
    from rotator.kubernetes.secret import Layout

MANAGER = "rotator"
"""The field manager that holds the values."""

MARKER = "rotator-mark"
"""The field manager that makes a Secret which is not there yet."""

VERBS = '["get", "patch", "create"]'
"""What rotator does with a Secret. `create` may be bound to a name here, since an apply names what it makes."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the Secret holds, as far as the last write or read told.

    Attributes:
        record: What it holds.
        version: Its resourceVersion.
    """

    record: TokenRecord = field(repr=False)
    version: str


class SecretSink:
    """A Secret that consumers read, mount, or take their environment from.

    Keys that others add to it stay. A key of ours that somebody else has changed is written anew.

    Args:
        cluster: How the API server is asked.
        layout: What the Secret looks like.
        place: What its name says after `kubernetes:`; `NAMESPACE/NAME` when left out.
    """

    kind = "kubernetes"

    def __init__(self, cluster: Cluster, layout: Layout, place: str = "") -> None:
        self.name = f"kubernetes:{place or f'{layout.namespace}/{layout.name}'}"
        self._cluster = cluster
        self._layout = layout
        self._path = f"/api/v1/namespaces/{layout.namespace}/secrets/{layout.name}"
        self._known: _Known | None = None

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: SINK_FOREIGN, KUBERNETES_*.
        """
        secret = await self._get()
        return None if secret is None else self._note(secret)

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: SINK_FOREIGN, SINK_CONFLICT, KUBERNETES_*.
        """
        known = self._known
        if known is not None and known.record.stays_before(record):
            return known.record
        try:
            if known is None:
                return await self._write_over(await self._get(), record)
            return await self._put(record, known.version)
        except StaleError:
            return await self._contend(record)

    async def check(self) -> None:
        """Let the server try a write, with all its admission control, and keep nothing of it (`dryRun=All`).

        What is tried carries a made-up token.

        Raises:
            RotationError: SINK_FOREIGN, SINK_CONFLICT, KUBERNETES_*: what a write would meet.
        """
        secret = await self._get()
        if secret is not None:
            self._layout.check_owner(secret)
            self._layout.check_mutable(secret)
        await self._apply(self._layout.render(self._sample()), MANAGER, dry=True)

    async def _contend(self, record: TokenRecord) -> TokenRecord:
        """Somebody else wrote: take theirs if it serves as well, else try once more on top of it."""
        try:
            return await self._write_over(await self._get(), record)
        except StaleError:
            pass
        raise RotationError(Code.SINK_CONFLICT, f"somebody else wrote to {self.name} twice while rotator did")

    async def _write_over(self, secret: Document | None, record: TokenRecord) -> TokenRecord:
        """Write on top of what was found, unless that stays."""
        found = await self._apply(self._layout.mark(), MARKER) if secret is None else secret
        held = self._note(found)
        if held is not None and held.stays_before(record):
            return held
        self._layout.check_mutable(found)
        return await self._put(record, self._version(found))

    async def _put(self, record: TokenRecord, version: str) -> TokenRecord:
        self._known = None  # until an answer is there, the outcome is not known
        answer = await self._apply(self._layout.render(record, version), MANAGER)
        if self._note(answer) != record:
            raise malformed(
                f"the write of {self.name} was answered with a Secret that does not hold what was written; a mutating "
                "admission webhook may have changed it"
            )
        return record

    def _note(self, secret: Document) -> TokenRecord | None:
        self._known = None
        self._layout.check_owner(secret)
        held = self._layout.restore(secret)
        self._known = None if held is None else _Known(held, self._version(secret))
        return held

    def _version(self, secret: Document) -> str:
        version = resource_version(secret)
        if version is None:
            raise malformed(f"the API server's answer about {self.name} carries no metadata.resourceVersion")
        return version

    async def _get(self) -> Document | None:
        try:
            return await self._cluster.get(self._asked("GET"), self._path)
        except AbsentError:
            self._known = None
            return None

    async def _apply(self, document: Document, manager: str, *, dry: bool = False) -> Document:
        asked = self._asked("PATCH, as a trial," if dry else "PATCH")
        return await self._cluster.apply(asked, self._path, document, manager, force=manager == MANAGER, dry=dry)

    def _asked(self, method: str) -> Asked:
        layout = self._layout
        return Asked(
            f"{method} secret {layout.namespace}/{layout.name} at {self._cluster.host}",
            f'{{apiGroups: [""], resources: ["secrets"], resourceNames: ["{layout.name}"], verbs: {VERBS}}} '
            f"in the namespace {layout.namespace}",
        )

    def _sample(self) -> TokenRecord:
        token, now = Secret("rotator-check"), self._cluster.clock.now().wall.replace(microsecond=0)
        return TokenRecord(token, now, now + timedelta(seconds=60), 60, "", fingerprint(token), "check")
