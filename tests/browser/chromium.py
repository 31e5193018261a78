"""A headless Chromium of this machine, driven over its DevTools protocol by nothing but aiohttp."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import signal
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
DEADLINE = 30.0
"""Seconds for one thing that the browser is asked for; the machine may be busy."""

PHONE = 600
"""CSS pixels: what is narrower is a phone, with its viewport."""

Message = dict[str, Any]


def found() -> str | None:
    """Where there is a Chromium, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)


class Chromium:
    """One running browser; `async with` starts and ends it."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._pages: dict[str, Page] = {}

    async def __aenter__(self) -> Self:
        self._home = tempfile.mkdtemp(prefix="rotator-chromium-")
        # Its sandbox does not start for root; it is shown pages of our own only.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "--headless=new",
            *sandbox,
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._home}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(await self._address(), max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._session.close()
        # With its helpers: they are of one process group, which is ours alone.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    @asynccontextmanager
    async def page(
        self, width: int = 1400, height: int = 1000, *, scale: float = 1.0, private: bool = False
    ) -> AsyncIterator[Page]:
        """A page of that many CSS pixels; a private one shares no cookies with others."""
        alone = await self.ask("Target.createBrowserContext", disposeOnDetach=True) if private else {}
        target = (await self.ask("Target.createTarget", url="about:blank", **alone))["targetId"]
        session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Audits", "Accessibility"):
            await page.ask(f"{domain}.enable")
        await page.resize(width, height, scale=scale)
        await page.ask("Emulation.setScrollbarsHidden", hidden=True)  # pictures have no place for them
        try:
            yield page
        finally:
            await self.ask("Target.closeTarget", targetId=target)
            if private:
                await self.ask("Target.disposeBrowserContext", **alone)
            del self._pages[session]

    async def ask(self, method: str, session: str | None = None, /, **parameters: Any) -> Message:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message: Message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message if session is None else {**message, "sessionId": session})
        found = await asyncio.wait_for(answer, DEADLINE)
        assert "error" not in found, (method, found["error"])
        result: Message = found["result"]
        return result

    async def _address(self) -> str:
        """Where it listens; it writes that down once it does."""
        async with asyncio.timeout(DEADLINE):
            while len(lines := self._note()) < 2:
                assert self._process.returncode is None, "Chromium ended before it listened"
                await asyncio.sleep(0.05)
        return f"ws://127.0.0.1:{lines[0]}{lines[1]}"

    def _note(self) -> list[str]:
        note = Path(self._home, "DevToolsActivePort")
        return note.read_text().splitlines() if note.exists() else []

    async def _read(self) -> None:
        async for raw in self._socket:
            message = raw.json()
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
                page.told(message)


class Page:
    """One page of the browser.

    Attributes:
        complaints: What the browser had against it: console, log, and violations of its policy.
    """

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []

    def told(self, message: Message) -> None:
        """An event of the protocol."""
        method, details = message["method"], message["params"]
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Log.entryAdded":
            self.complaints.append(details["entry"]["text"])
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
            self.complaints.append(str(details))
        elif method == "Audits.issueAdded":
            self.complaints.append(str(details["issue"]))

    async def ask(self, method: str, /, **parameters: Any) -> Message:
        """One command of the protocol about this page."""
        return await self._browser.ask(method, self._session, **parameters)

    async def go(self, url: str) -> None:
        """Load a page, whole."""
        async with self.loads():
            await self.ask("Page.navigate", url=url)

    async def resize(self, width: int, height: int, *, scale: float = 1.0) -> None:
        """Make it that many CSS pixels large; narrow ones are a phone's."""
        phone = width < PHONE
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    @asynccontextmanager
    async def loads(self) -> AsyncIterator[None]:
        """What is done within leads to another page; waits for it."""
        self._loaded.clear()
        yield
        await asyncio.wait_for(self._loaded.wait(), DEADLINE)

    async def value(self, expression: str) -> Any:
        """What an expression in the page amounts to."""
        found = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def prefer(self, **features: str) -> None:
        """What the reader prefers: `color_scheme="dark"`."""
        wanted = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        await self.ask("Emulation.setEmulatedMedia", features=wanted)

    async def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key and let it go."""
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    async def picture(self, *, height: int | None = None) -> bytes:
        """What it looks like, as PNG: the whole page, or so much of it from the top."""
        size = (await self.ask("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        shot = await self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])
