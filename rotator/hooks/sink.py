"""A sink with hooks that run after a write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.hooks.port import Occasion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.model import TokenRecord
    from rotator.core.ports import Sink
    from rotator.hooks.port import Hook
    from rotator.hooks.runner import Hooks


class HookedSink:
    """A sink whose consumers are told when what it holds has changed.

    Only by a write of ours: what another writer has put there, he has told of. A write whose outcome is not known tells
    nobody; the look that then finds its record does.

    Args:
        sink: Where the token goes.
        hooks: What to do then; each on its own, in no order.
        runner: Who does it.
        credential: Whose token it is.
        debounce: Seconds in which further writes are waited for.

    Attributes:
        sink: See above.
    """

    def __init__(self, sink: Sink, hooks: Sequence[Hook], runner: Hooks, credential: str, debounce: float) -> None:
        self.sink = sink
        self._hooks = tuple(hooks)
        self._runner = runner
        self._credential = credential
        self._debounce = debounce
        self._held: TokenRecord | None = None
        self._offered: TokenRecord | None = None

    @property
    def name(self) -> str:
        """See `rotator.core.ports.Sink`."""
        return self.sink.name

    @property
    def kind(self) -> str:
        """See `rotator.core.ports.Sink`."""
        return self.sink.kind

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        return self._seen(await self.sink.read())

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        self._offered = record
        written = await self.sink.write(record)
        self._seen(written)
        return written

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`; the hooks are looked at as well, and none is run.

        Raises:
            RotationError: What the sink raises; HOOK_* when a hook can never succeed as it is configured.
        """
        await self.sink.check()
        for hook in self._hooks:
            await hook.check()

    def _seen(self, holds: TokenRecord | None) -> TokenRecord | None:
        """Take in what the sink holds now, and have the hooks run if that is news of our own making."""
        if holds is not None and holds == self._offered and holds != self._held:
            occasion = Occasion(self._credential, self.name, holds)
            for hook in self._hooks:
                self._runner.after(occasion, hook, self._debounce)
        self._held = holds
        return holds
