"""An authorization server as a process of ours: started, told what to do over its standard input, ended."""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from rotator.core.model import ClientCredentials, Secret
from rotator.demo import ports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

DEADLINE = 20.0
"""Seconds for the start, and for one command; the machine may be busy."""


@dataclass(frozen=True)
class Client:
    """A client as the server knows it."""

    client_id: str
    secret: Secret

    @property
    def credentials(self) -> ClientCredentials:
        """It as a source gives it."""
        return ClientCredentials(self.client_id, (self.secret,), "1")


class ControlledServer:
    """One server; `with` starts it and ends it. Its port and what it was told to keep are the same over every restart.

    The program gets a port as its last argument, says `{"port": …}` once it listens there on loopback, answers each
    line of JSON on its standard input by one on its standard output, and ends when its standard input does.

    Args:
        name: What it is called in messages.
        program: The command line before the port.
    """

    def __init__(self, name: str, program: Sequence[str | Path]) -> None:
        self._name = name
        self._program = program
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._kept: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, or start it again, and return when it listens and knows what it is to keep."""
        candidates = ports.to_try(self._port)
        for port in candidates:
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
            self._process = subprocess.Popen(
                [*self._program, str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={},
                bufsize=0,
                process_group=0,
            )
            if self._answer() == {"port": port}:
                self._port = port
                break
            said = self._said()
            self.stop()
            if port == candidates[-1] or "EADDRINUSE" not in said:
                raise RuntimeError(f"{self._name} did not start on port {port}; it said:\n{said}")
        for command in self._kept.values():
            self.obey(command)

    def stop(self) -> None:
        """End it at once; its clients find nobody there."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
        if self._complaints is not None:
            self._complaints.close()

    def keep(self, key: str, command: dict[str, Any]) -> None:
        """Have a command obeyed, also after each start; another one with the same key replaces it."""
        self.obey(command)
        self._kept[key] = command

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """The answer to a command.

        Raises:
            RuntimeError: It refused, or did not answer in time; what it said is in the message.
        """
        assert self._process is not None, f"{self._name} is not running"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        answer = self._answer()
        if not answer:
            raise RuntimeError(f"{self._name} did not obey within {DEADLINE:g} s; it said:\n{self._said()}")
        if "error" in answer:
            raise RuntimeError(f"{self._name} refused: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        """One line of the control channel; nothing when the server has ended or is silent for too long."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self._process.stdout], [], [], DEADLINE)
            chunk = self._process.stdout.read(1 << 16) if readable else b""
            if not chunk:
                return {}
            line += chunk
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _said(self) -> str:
        assert self._complaints is not None
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")[-2000:]
