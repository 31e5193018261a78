"""The end of what a command has said, without the token and fit for one line of a log."""

from __future__ import annotations

SHOWN = 2048
"""Bytes at most: of an error, the last words are those that count."""

CUT = "[redacted]"

_TELLING = 8
"""Bytes of a token that are too many to be shown by chance."""


def shown(said: bytes, *, torn: bool, token: str) -> str:
    """What may be shown of the output.

    The journal cuts out what looks like a secret. It cannot know a token without any shape: that is done here.

    Args:
        said: The last `SHOWN` bytes at least, and as many more as the token has.
        torn: Whether there were others before, so that a torn token may stand in front.
        token: What must not be shown.
    """
    secret = token.encode()
    begin, end = _first_whole(said, secret) if torn else 0, _last_whole(said, secret)
    text = said[begin : max(begin, end)].replace(secret, CUT.encode())
    plain = "".join(c if c.isprintable() else " " for c in text[-SHOWN:].decode(errors="replace"))
    return " ".join(plain.split())


def _first_whole(said: bytes, secret: bytes) -> int:
    """Where nothing can be left of a token that began before; the end of a whole one that stands across it."""
    begin = min(len(secret) - 1, len(said))
    across = said.rfind(secret, 0, begin + len(secret))
    return max(begin, across + len(secret)) if 0 <= across < begin else begin


def _last_whole(said: bytes, secret: bytes) -> int:
    """Where a token begins that was not said to its end; the end of the output if none does."""
    at = max(0, len(said) - len(secret) + 1)
    while (at := said.find(secret[:_TELLING], at)) >= 0:
        if secret.startswith(said[at:]):
            return at
        at += 1
    return len(said)
