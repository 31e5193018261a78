"""Secrets made to be searched for, and the search: in every form that a secret takes on its way into an output.

Where nothing is found, nothing of it is there: not even eight bytes of the secret as it is, in base64 at any alignment,
in hex, URL-encoded, escaped for JSON, in another case, or backwards. What is found is told by the canary's name and the
form's, so that a failing test does not do what it forbids.
"""

from __future__ import annotations

import base64
import json
import random
import string
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

WINDOW = 8
"""Bytes. Fewer would be found in innocent texts as well."""

SHORTEST = 24
"""Characters of a canary: enough that no form of it is shorter than a window."""

TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-._~+/"
"""Of RFC 6750 section 2.1."""

RESERVED = "%+ &=:;/?#@!$'()*,[]\"\\<>"
"""What URLs, forms, JSON, shells and markup take for something else."""


def canary(seed: object, characters: str = string.ascii_letters + string.digits, length: int = 40) -> str:
    """A secret that looks like one, and is no word: chance, decided by the seed."""
    return "".join(random.Random(f"canary {seed}").choices(characters, k=length))  # noqa: S311  it protects nothing


def thorny(seed: object) -> str:
    """A canary with a reserved character after every fourth, and one that is no ASCII (P46)."""
    plain = canary(seed, length=4 * len(RESERVED))
    return "".join(f"{plain[4 * n : 4 * n + 4]}{mark}" for n, mark in enumerate(RESERVED)) + "£" + canary(f"{seed}£")


def forms(secret: str) -> dict[str, bytes]:
    """The secret in every form that is searched for."""
    shapes: dict[str, bytes] = {}
    # HTTP Basic carries the form-encoded secret in base64 (RFC 6749 section 2.3.1).
    for name, text in (("", secret), (" of the form-encoded one", quote_plus(secret))):
        raw = text.encode()
        shapes |= {f"base64, alignment {shift}{name}": _base64(raw, shift) for shift in range(3)}
        shapes |= {f"hex{name}": raw.hex().encode(), f"HEX{name}": raw.hex().upper().encode()}
    shapes |= {f"url-safe {name}": shape.translate(_URL_SAFE) for name, shape in shapes.items() if "base64" in name}
    texts = {
        "raw": secret,
        "lower case": secret.lower(),
        "UPPER CASE": secret.upper(),
        "URL-encoded": quote(secret, safe=""),
        "URL-encoded, slashes kept": quote(secret),
        "form-encoded": quote_plus(secret),
        "form-encoded, lower case": quote_plus(secret).lower(),
        "JSON, ASCII only": json.dumps(secret)[1:-1],
        "JSON": json.dumps(secret, ensure_ascii=False)[1:-1],
        "repr": repr(secret)[1:-1],
        "backwards": secret[::-1],
    }
    return shapes | {name: text.encode() for name, text in texts.items()} | {"latin-1": secret.encode("latin-1")}


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64(raw: bytes, shift: int) -> bytes:
    """Those characters that the secret alone decides when `shift` bytes of something else come first."""
    begin, end = (shift * 8 + 5) // 6, (shift + len(raw)) * 8 // 6
    return base64.b64encode(bytes(shift) + raw)[begin:end]


class Sighting(NamedTuple):
    """Where something of a secret was found.

    Attributes:
        canary: The secret's name.
        form: One that it was found in.
        where: The output.
    """

    canary: str
    form: str
    where: str


class Searcher:
    """Finds the canaries that it was told of, in any form.

    Args:
        canaries: Name to secret.
    """

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self._windows: dict[int, tuple[str, str]] = {}
        self._known: set[tuple[str, str]] = set()
        for name, secret in canaries.items():
            self.add(name, secret)

    def add(self, name: str, secret: str) -> None:
        """Search for one more.

        Raises:
            ValueError: It is too short to be told from innocent text.
        """
        if len(secret) < SHORTEST:
            raise ValueError(f"the canary {name} has {len(secret)} characters; wanted {SHORTEST} at least")
        if (name, secret) in self._known:
            return
        self._known.add((name, secret))
        for form, shape in forms(secret).items():
            for start in range(len(shape) - WINDOW + 1):
                number = int.from_bytes(shape[start : start + WINDOW], sys.byteorder)
                self._windows.setdefault(number, (name, form))

    def look(self, output: bytes | str, where: str) -> list[Sighting]:
        """What is found in an output; one sighting for each canary and form."""
        data = output.encode(errors="surrogatepass") if isinstance(output, str) else output
        if self._is_clean(data):
            return []
        found = (self._windows.get(number) for number in _windows(data))
        return [Sighting(*one, where) for one in dict.fromkeys(one for one in found if one is not None)]

    def look_at_error(self, error: BaseException, where: str) -> list[Sighting]:
        """What is found in an exception, in those that it came from, and in what is printed of it."""
        return [found for name, text in _texts(error) for found in self.look(text, f"{where}: {name}")]

    def look_below(self, folder: Path, belongs: Collection[Path] = ()) -> list[Sighting]:
        """What is found in names and contents of files below a folder, apart from those that it belongs into."""
        found = []
        for path in sorted(folder.rglob("*")):
            found += self.look(bytes(path), f"the name of {path}")
            if path.is_file() and path not in belongs:
                found += self.look(path.read_bytes(), str(path))
        return found

    def look_at_process(self, pid: int) -> list[Sighting]:
        """What everybody, or a process of the same user, may read about a running process."""
        files = (Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ", "comm", "maps", "status"))
        return [found for file in files for found in self.look(file.read_bytes(), str(file))]

    def _is_clean(self, data: bytes) -> bool:
        return all(self._windows.keys().isdisjoint(numbers) for numbers in _aligned(data))


def _aligned(data: bytes) -> Iterator[memoryview]:
    """Every window of the text as a number: eight passes that run in C."""
    for shift in range(WINDOW):
        whole = (len(data) - shift) // WINDOW * WINDOW
        if whole > 0:
            yield memoryview(data)[shift : shift + whole].cast("Q")


def _windows(data: bytes) -> Iterator[int]:
    return (number for numbers in _aligned(data) for number in numbers)


def _texts(error: BaseException) -> Iterator[tuple[str, str]]:
    """What an exception says in any way, and each one behind it: also one that `from None` keeps from being printed."""
    yield "as printed", "".join(traceback.format_exception(error))
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        kind = type(one).__name__
        yield f"{kind} str", str(one)
        yield f"{kind} repr", repr(one)
        yield f"{kind} args", repr(one.args)
        yield f"{kind} attributes", repr(vars(one))
        yield f"{kind} notes", repr(getattr(one, "__notes__", ""))
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [behind for behind in (one.__cause__, one.__context__, *inner) if behind is not None]
