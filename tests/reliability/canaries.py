"""Client secrets, the secret id of Vault, Vault tokens and access tokens are canaries. First the installed rotator, at
debug level, among servers of ours: a token endpoint that echoes the secrets of each request in every place of an
answer, one kind of echo for each credential, and a relay before a real OpenBao that echoes the Vault token. Every
command runs, and the daemon through all of it. Searched are standard output and error, JSON outputs, every file below
the processes' home, and what /proc shows of the daemon. Then errors are made in the process itself, by damaged answers
of the grammar that the fuzzing uses and by records of libraries that hold secrets in many dresses, and told through the
real rotation and the real log, for machines and for people. Looked for are eight bytes in a row of a secret, as it is,
in base64 at any alignment, hex, URL-encoded, escaped for JSON, in another case, and backwards.
"""

from __future__ import annotations

import asyncio
import io
import logging
import signal
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from rotator.core.model import CredentialSpec
from rotator.core.observation import Surroundings
from rotator.core.rotation import Rotation
from rotator.demo.bao import BaoServer
from rotator.oauth.answer import Answer, read_answer
from rotator.operate import logs
from rotator.testing import FakeClock, MemorySink, MemorySource
from tests.acceptance.test_canaries import COMMANDS, Aviary, aviary_at
from tests.fuzz import checks, grammar
from tests.fuzz.test_redaction import DRESSES, NAMES
from tests.reliability.figures import Figure
from tests.support.echoing import ECHOES, VAULT_ECHOES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rotator.core.model import ClientCredentials, Grant
    from tests.support.canary import Sighting

TITLE = "Canary secrets"
SEED = 20261124
CASES = 100_000
BATCH = 1_000
PLACES = ("/data/apps/", "/data/tokens/", "auth/approle/login")
SECRETS = (checks.SECRET, checks.THORNY, checks.PASSPHRASE)


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    with tempfile.TemporaryDirectory() as place:
        heard, found = asyncio.run(among_echoes(Path(place), sorted(ECHOES), sorted(VAULT_ECHOES), say))
    told, lines, leaked = fuzzed(CASES, seed, say)
    wanted = len(ECHOES) + len(VAULT_ECHOES) * len(PLACES)
    rows = len({name.partition("-")[0] for name in (*ECHOES, *VAULT_ECHOES)})
    canaries = len(found) + leaked
    return [
        Figure("rows of the catalogue of faults whose answers were echoes", "", f"{rows}"),
        Figure("echoes that rotator met, of those there are", f"{wanted}", f"{heard}", heard == wanted),
        Figure("fuzz cases from an error to its line in the log", f"≥ {CASES:,}", f"{told:,}", told >= CASES),
        Figure("lines that were written of them", "> 0", f"{lines:,}", lines > told / 2),
        Figure("canaries found", "0", f"{canaries}", canaries == 0),
    ]


async def among_echoes(
    home: Path, echoes: Sequence[str], of_vault: Sequence[str], say: Callable[[str], None]
) -> tuple[int, list[Sighting]]:
    """Run everything among servers that echo: how many echoes were met, and what was found."""
    async with BaoServer("inmem") as bao, aviary_at(home, bao) as aviary:
        aviary.names = list(echoes)
        configuration = await aviary.prepare()
        for command in COMMANDS:
            await aviary.run(*command.split(), "-c", configuration)
            say(f"{command}: searched")
        async with aviary.running("run", "-c", configuration) as daemon:
            await aviary.until(aviary.provider.served, set(echoes))
            found = aviary.searcher().look_at_process(daemon.pid)
            daemon.send_signal(signal.SIGTERM)
        heard = len(aviary.provider.served) + await _vault(aviary, configuration, of_vault)
        found += aviary.sightings()
        for sighting in found:
            say(f"found: {sighting.canary}, {sighting.form}, in {sighting.where}")
        return heard, found


async def _vault(aviary: Aviary, configuration: Path, echoes: Sequence[str]) -> int:
    """Let Vault echo, in each place, to a command of its own: what one leads to keeps none from the next."""
    heard = 0
    for aviary.vault.below in PLACES:
        aviary.vault.served.clear()
        for aviary.vault.echo in echoes:
            await aviary.run("rotate", "good", "--force", "-o", "json", "-c", configuration)
        heard += len(aviary.vault.served)
    aviary.vault.echo = ""
    return heard


class DamagedEndpoint:
    """An endpoint whose answers are damaged by chance and hold the secret; see `rotator.core.ports.TokenEndpoint`."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """Read one answer with the real reader."""
        secret = credentials.secrets[0]
        status = self._chance.choice(grammar.STATUSES)
        answer = Answer(status, grammar.body(self._chance, secret.reveal()), checks.WHERE)
        return read_answer(answer, self._chance.choice(checks.EXPECTATIONS), checks.NOW)


def fuzzed(count: int, seed: int, say: Callable[[str], None]) -> tuple[int, int, int]:
    """So many cases through the real log: the cases, the lines of which were written, and what was found in them."""
    chance = Random(seed)  # noqa: S311  chance, no secret
    cases = lines = leaked = 0
    for number in range(count // BATCH):
        stream = io.StringIO()
        look = "console" if number % 4 == 3 else "json"
        with logging_to(stream, look) as log:
            asyncio.run(_tell(BATCH, chance, log))
        cases += BATCH
        lines += stream.getvalue().count("\n")
        for sighting in checks.SEARCHER.look(stream.getvalue(), f"batch {number} of seed {seed}"):
            leaked += 1
            say(f"found: {sighting.canary}, {sighting.form}, in {sighting.where}")
    say(f"{cases:,} cases, {lines:,} lines")
    return cases, lines, leaked


async def _tell(count: int, chance: Random, log: logs.Log) -> None:
    for _ in range(count):
        secret = chance.choice(SECRETS)
        if chance.random() < 0.8:
            parts = MemorySource("client", secret), DamagedEndpoint(chance), [MemorySink()], FakeClock(), log
            await Rotation(CredentialSpec("billing", "thx", ()), *parts).run(Surroundings())
        else:
            _library(chance, secret)


def _library(chance: Random, secret: str) -> None:
    """A record of a library that knows no better, with the secret in its text, its arguments, or its exception."""
    dressed = DRESSES[chance.choice(sorted(DRESSES))](chance.choice(NAMES), secret)
    library = logging.getLogger(chance.choice((*logs.QUIET_LIBRARIES, "somebody.else")))
    try:
        raise LookupError(secret, {"secret": secret})  # noqa: TRY301  so that it has a traceback
    except LookupError as error:
        extra = {chance.choice(NAMES).replace("-", "_"): secret, "request": {"headers": [dressed], "error": error}}
        chance.choice(
            (
                lambda: library.warning("sent %s", dressed),
                lambda: library.error(dressed, exc_info=True, stack_info=True),
                lambda: library.exception("it broke: %s", dressed),
                lambda: library.warning("with more", extra=extra),
            )
        )()


@contextmanager
def logging_to(stream: io.StringIO, look: str) -> Iterator[logs.Log]:
    """The real log at debug level, written to `stream` when the block ends; the process's own one comes back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    log = logs.configure(logs.LogSettings("debug", look), stream)  # type: ignore[arg-type]  # one of its words
    try:
        yield log
    finally:
        log.close()
        root.handlers[:], root.level = before
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
