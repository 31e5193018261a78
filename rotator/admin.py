"""The admin server of one daemon, kept as the configuration in force has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.operate.http import AdminServer
from rotator.settings import translate
from rotator.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.ports import Journal
    from rotator.operate.history import History
    from rotator.operate.http import Subject
    from rotator.operate.metrics import Meters
    from rotator.settings.http import Http
    from rotator.settings.load import Loaded

WANTED = "a place to listen that is free and may be used"
CURE = "choose another http.listen, or see who listens there: ss -lxnp, ss -ltnp"


class Admin:
    """Starts the server, and another one when a reload asks for it.

    Where nobody chose the place, tokens are kept fresh also when there is none to listen: the socket in the state
    directory is a convenience then. A place that was chosen is relied on, by probes and scrapes, and must be had.

    Args:
        subject: Who is asked.
        history: What happened lately.
        meters: What has been counted.
        log: Told `http.listening` and `http.unavailable`.
        environ: The process's environment as it was at the start.
    """

    def __init__(
        self, subject: Subject, history: History, meters: Meters, log: Journal, environ: Mapping[str, str]
    ) -> None:
        self._subject = subject
        self._history = history
        self._meters = meters
        self._log = log
        self._environ = environ
        self._server: AdminServer | None = None
        self._made_from: tuple[Http, object] | None = None
        self._place = ""

    async def start(self, loaded: Loaded) -> None:
        """Listen where the configuration says.

        Raises:
            ConfigError: The place that it names cannot be had.
        """
        failure = await self._listen(loaded)
        if failure is not None and loaded.settings.http.listen is not None:
            raise ConfigError(str(loaded.file), [failure])

    async def reload(self, loaded: Loaded) -> None:
        """Listen somewhere else, or differently, if the configuration now says so.

        Where another place cannot be had, the one before is kept; `http.unavailable` tells, and the next reload tries.
        """
        if self._made_from == (loaded.settings.http, loaded.settings.state_dir):
            return
        before, place = self._server, self._place
        if place == translate.http(loaded, self._environ).place:
            await self.stop()
            await self._listen(loaded)
        elif await self._listen(loaded) is None and before is not None:
            await before.stop()

    async def stop(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            await self._server.stop()
            self._server, self._made_from, self._place = None, None, ""

    async def _listen(self, loaded: Loaded) -> Problem | None:
        settings = translate.http(loaded, self._environ)
        server = AdminServer(settings, self._subject, self._history, self._meters)
        try:
            await server.start()
        except OSError as error:
            # The system's own words for an error; ours where the text says more.
            why = error.strerror or str(error)
            self._log.event("http.unavailable", listen=settings.place, detail=why, cure=CURE)
            return Problem("http.listen", None, f"{settings.place}: {why}", WANTED, CURE)
        self._server, self._place = server, settings.place
        self._made_from = (loaded.settings.http, loaded.settings.state_dir)
        self._log.event("http.listening", listen=settings.place, actions=sorted(settings.actions))
        return None
