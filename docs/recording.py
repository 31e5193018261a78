"""Records a terminal: runs a command in one, and writes what was seen as an SVG that moves by itself.

    python docs/recording.py --seconds 42 docs/images/demo.svg -- rotator demo --lifetime 30s

`make docs` brings pyte, which plays the terminal. What is written is what was seen; nothing is made up or sped up.
"""  # noqa: INP001  a program; nobody imports it

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL, LINE, SIZE = 8.4, 19, 14
COLOURS = {
    "default": "#d8dee9",
    "black": "#4c566a",
    "red": "#ef7a85",
    "green": "#a3be8c",
    "brown": "#ebcb8b",
    "blue": "#81a1c1",
    "magenta": "#b48ead",
    "cyan": "#88c0d0",
    "white": "#eceff4",
    "brightblack": "#7b88a1",
}
BACKGROUND = "#1e2430"
STEP = 0.25
"""Seconds between two looks."""


def seen(command: Sequence[str], columns: int, lines: int, seconds: float) -> list[tuple[float, tuple[str, ...]]]:
    """When the screen changed, and to what: a line of SVG for each line; the command is ended by Ctrl-C."""
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
        os.execvp(command[0], list(command))  # noqa: S606  what the caller names
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    began, frames, ending = time.monotonic(), [(0.0, ("",) * lines)], False  # noqa: TID251  it times what is seen
    while True:
        now = time.monotonic() - began  # noqa: TID251  likewise
        if now > seconds and not ending:
            os.kill(child, signal.SIGINT)
            ending = True
        if select.select([terminal], [], [], STEP)[0]:
            try:
                stream.feed(os.read(terminal, 1 << 16))
            except OSError:  # the other side has been closed: it has ended
                break
        shown = tuple(_line(screen, line, columns) for line in range(lines))
        if shown != frames[-1][1] and now - frames[-1][0] >= STEP:
            frames.append((now, shown))
    os.waitpid(child, 0)
    return [*frames, (now, tuple(_line(screen, line, columns) for line in range(lines)))]


def _line(screen: pyte.Screen, number: int, columns: int) -> str:
    row = screen.buffer[number]
    cells = [row[column] for column in range(columns)]
    parts, column = [], 0
    for style, group in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        if text.strip():
            ahead = len(text) - len(text.lstrip())
            parts.append(_words(text.strip(), column + ahead, *style))
        column += len(text)
    return "".join(parts)


def _words(text: str, column: int, colour: str, bold: bool) -> str:  # noqa: FBT001  as the terminal tells it
    fill = COLOURS.get(colour) or (f"#{colour}" if re.fullmatch("[0-9a-f]{6}", colour) else COLOURS["default"])
    weight = ' font-weight="bold"' if bold else ""
    at = f'x="{column * CELL:.1f}" textLength="{len(text) * CELL:.1f}"'
    return f'<tspan {at} fill="{fill}"{weight}>{escape(text, quote=False)}</tspan>'


def svg(frames: Sequence[tuple[float, tuple[str, ...]]], columns: int, title: str) -> str:
    """The frames as one picture. A line that stays is drawn once, for as long as it stays."""
    total = frames[-1][0] + 3
    height = len(frames[0][1])
    drawn = []
    for number in range(height):
        ends = [*(at for at, _ in frames[1:]), total]
        stretches = [(at, end, shown[number]) for (at, shown), end in zip(frames, ends, strict=True)]
        for text, group in groupby(stretches, key=lambda one: one[2]):
            same = list(group)
            if text:
                drawn.append(_drawn(text, number, same[0][0] / total, same[-1][1] / total, total))
    width, tall = columns * CELL + 24, height * LINE + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {tall}" role="img" font-size="{SIZE}" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>\n<g transform="translate(12 12)" '
        f'style="white-space:pre">\n{"".join(drawn)}</g>\n</svg>\n'
    )


def _drawn(text: str, number: int, begins: float, ends: float, total: float) -> str:
    """A line, and when it is to be seen; without animation the last picture stays."""
    y = number * LINE + SIZE
    if begins == 0 and ends == 1:
        return f'<text y="{y}" xml:space="preserve">{text}</text>\n'
    last = "visible" if ends == 1 else "hidden"
    times = sorted({0.0, begins, ends} - {1.0})
    values = ["visible" if begins <= at < ends else "hidden" for at in times]
    animation = (
        f'<animate attributeName="visibility" calcMode="discrete" dur="{total:.2f}s" repeatCount="indefinite" '
        f'keyTimes="{";".join(f"{at:.5f}" for at in times)}" values="{";".join(values)}"/>'
    )
    return f'<text y="{y}" visibility="{last}" xml:space="preserve">{text}{animation}</text>\n'


def main() -> None:
    """Record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--columns", type=int, default=110)
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    frames = seen(asked.command, asked.columns, asked.lines, asked.seconds)
    asked.file.write_text(svg(frames, asked.columns, f"{' '.join(asked.command)}, recorded"))


if __name__ == "__main__":
    main()
