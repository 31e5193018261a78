"""Where in a content a token stands, for contents that do not tell: numbers only, so that a state may keep them."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass

from rotator.core.model import Secret

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of a content, and a piece of that.

    Attributes:
        start: Bytes before it.
        end: Bytes up to its end.
        inner: The same within what the piece decodes to as base64; None where it is the token itself.
    """

    start: int
    end: int
    inner: tuple[int, int] | None = None

    def numbers(self) -> list[int]:
        """All of it, for JSON."""
        return [self.start, self.end, *(self.inner or ())]


def place_of(numbers: object) -> Place | None:
    """What `Place.numbers` gave; None for anything else."""
    if not isinstance(numbers, list) or not all(type(number) is int and number >= 0 for number in numbers):
        return None
    match numbers:
        case [start, end]:
            return Place(start, end)
        case [start, end, first, last]:
            return Place(start, end, (first, last))
    return None


def locate(content: bytes, token: Secret) -> Place | None:
    """Where the token stands in the content, plainly or in a piece of base64; None where it does not."""
    sought = token.reveal().encode()
    start = content.find(sought)
    if start >= 0:
        return Place(start, start + len(sought))
    for run in _BASE64.finditer(content):
        inner = _decoded(run[0]).find(sought)
        if inner >= 0:
            return Place(run.start(), run.end(), (inner, inner + len(sought)))
    return None


def taken(content: bytes, place: Place) -> Secret | None:
    """What stands in that place; None where that is no text."""
    piece = content[place.start : place.end]
    if place.inner is not None:
        piece = _decoded(piece)[slice(*place.inner)]
    try:
        return Secret(piece.decode("ascii"))
    except UnicodeDecodeError:
        return None


def _decoded(piece: bytes) -> bytes:
    try:
        return b64decode(piece, validate=True)
    except ValueError:
        return b""
