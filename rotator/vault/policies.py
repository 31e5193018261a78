"""What the session's token may do, and the policy text that would let it do more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from rotator.vault.answers import malformed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rotator.vault.answers import Document

Needs: TypeAlias = "Mapping[str, tuple[str, ...]]"
"""API path, as policies name it, to the capabilities needed on it."""


class Caller(Protocol):
    """Who asks Vault: a `rotator.vault.session.VaultSession`."""

    async def call(self, operation: Callable[[Any], Awaitable[Document]], needs: Needs) -> Document:
        """Do one operation, which needs this from the policies."""


@runtime_checkable
class Guarded(Protocol):
    """A part of a credential whose requests the policies have to allow."""

    @property
    def session(self) -> Caller:
        """How it asks."""

    async def needs(self) -> Needs:
        """What it needs.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """


async def missing_capabilities(caller: Caller, needs: Needs) -> dict[str, tuple[str, ...]]:
    """What the token lacks, by path; empty when it may do all that is needed.

    Args:
        caller: Who asks; logged in.
        needs: What is needed.

    Raises:
        RotationError: VAULT_*; VAULT_DENIED when the token may not even ask, for want of the `default` policy.
    """
    if not needs:
        return {}
    asking: Needs = {"sys/capabilities-self": ("update",)}
    document = await caller.call(lambda client: client.sys.get_capabilities(list(needs)), asking)
    return lacking(needs, document)


def lacking(needs: Needs, document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Compare what is needed with an answer of `sys/capabilities-self`."""
    has = document.get("data")
    if not isinstance(has, dict):
        raise malformed("the answer about the token's capabilities holds none")
    compared = {path: _without(wanted, has.get(path)) for path, wanted in needs.items()}
    return {path: missing for path, missing in compared.items() if missing}


def _without(wanted: tuple[str, ...], held: object) -> tuple[str, ...]:
    held = held if isinstance(held, list) else []
    return () if "root" in held else tuple(capability for capability in wanted if capability not in held)


def stanza(needs: Needs) -> str:
    """The policy text that grants what is needed, on one line per path."""
    return "\n".join(f'path "{path}" {{ capabilities = [{_quoted(wanted)}] }}' for path, wanted in needs.items())


def within(namespace: str) -> str:
    """` in namespace NAME`, for messages; empty for the root namespace."""
    return f" in namespace {namespace}" if namespace else ""


def explain(needs: Needs, missing: Needs, namespace: str = "") -> str:
    """One sentence for the operator: what is missing and what to add."""
    lacks = "; ".join(f"{path} lacks {', '.join(what)}" for path, what in missing.items())
    whole = {path: needs[path] for path in missing}
    where = within(namespace)
    return f"Vault's policies for rotator{where} do not suffice: {lacks}. Add to a policy of its token: {stanza(whole)}"


def _quoted(capabilities: tuple[str, ...]) -> str:
    return ", ".join(f'"{capability}"' for capability in capabilities)
