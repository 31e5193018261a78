"""The line of a key, in whichever way TOML lets it be written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.settings.locate import line_of, lines

WAYS: dict[str, tuple[str, tuple[str | int, ...], int | None]] = {
    "a header": ("[a]\n[b]\n", ("b",), 2),
    "a key below a header": ("[a]\nx = 1\ny = 2\n", ("a", "y"), 3),
    "a key before any header": ("\n# said\nx = 1\n", ("x",), 3),
    "a dotted key": ("[a]\nb.c = 1\n", ("a", "b", "c"), 2),
    "a table of dotted keys": ("x = 1\na.b.c = 1\na.b.d = 2\n", ("a", "b"), 2),
    "a dotted header with spaces": ("[ a . b ]\nc = 1\n", ("a", "b", "c"), 2),
    "a quoted key": ('["a.b"]\n"c d" = 1\n', ("a.b", "c d"), 2),
    "a quoted key with an escape": ('"\\u0061" = 1\n', ("a",), 1),
    "a literal key": ("['a\"b']\n", ('a"b',), 1),
    "a key inside an inline table": ("[a]\nb = { c = { d = 1 } }\n", ("a", "b", "c", "d"), 2),
    "a key inside a list of several lines": (
        "[a]\nb = [\n  { c = 1 },\n  { c = 2 },\n]\nd = 1\n",
        ("a", "b", 1, "c"),
        2,
    ),
    "a key after a list of several lines": ("b = [\n  [1], # ]\n  [2],\n]\nd = 1\n", ("d",), 5),
    "the second table of a list": ("[[a]]\nx = 1\n[[a]]\nx = 2\n", ("a", 1, "x"), 4),
    "a table below a table of a list": ("[[a]]\n[[a]]\n[a.b]\nx = 1\n", ("a", 1, "b", "x"), 4),
    "a list below a list": ("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\nx = 1\n", ("a", 1, "b", 0, "x"), 5),
    "a key after a text of several lines": ('a = """\nb = 1\n[c]\n"""\nb = 2\n', ("b",), 5),
    "a key after a literal text of several lines": ("a = '''\nb = 1\\'''\nb = 2\n", ("b",), 3),
    "a key after a text that ends in quotes": ('a = """x""\\""""\nb = 2\n', ("b",), 2),
    "a key after an escaped quote": ('a = "\\"\\\\"\nb = 2\n', ("b",), 2),
    "a key after a text with a hash": ('a = "# ]"\nb = 2\n', ("b",), 2),
    "a nested list that looks like a header": ('a = [\n["b"]\n]\nb = 1\n', ("b",), 4),
    "a file with the line ends of Windows": ("[a]\r\nx = 1\r\ny = 2\r\n", ("a", "y"), 3),
    "a text with a line separator of Unicode": ('a = "\u2028\u0085"\nb = 1\n', ("b",), 2),
    "a key without a line end after it": ("a = 1\nb = 2", ("b",), 2),
    "a missing key is where its table is": ("[a]\n[b]\n", ("b", "missing"), 2),
    "a table that is only implied is where it begins": ("[x]\n[a.b]\n[a.c]\n", ("a",), 2),
    "what is nowhere": ("[a]\n", ("b",), None),
}


@pytest.mark.parametrize(("text", "path", "line"), WAYS.values(), ids=WAYS.keys())
def test_finds(text: str, path: tuple[str | int, ...], line: int | None) -> None:
    tomllib.loads(text.replace("\r\n", "\n"))
    assert line_of(lines(text), path) == line


KEYS = st.text(min_size=1, max_size=8).filter(lambda key: "\x7f" not in key)
SCALARS = st.text(max_size=20) | st.integers(-5, 5) | st.booleans()
TABLES = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3), min_size=1, max_size=4)


def quoted(text: str) -> str:
    escaped = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{escaped}"'


def spelled(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + "".join(f"  {spelled(item)}, # [\n" for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


@given(st.dictionaries(KEYS.filter(lambda key: key.isprintable()), TABLES, max_size=4))
def test_every_key_that_is_written_is_found_on_its_line(tables: dict[str, dict[str, Any]]) -> None:
    written: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for name, table in tables.items():
        expected[name,] = len(written) + 1
        written.append(f"[{quoted(name)}]")
        for key, value in table.items():
            expected[name, key] = len(written) + 1
            written += f"{quoted(key)} = {spelled(value)}".split("\n")
    text = "\n".join(written)
    assert tomllib.loads(text) == tables
    assert lines(text) == expected


@given(st.text(alphabet="[]{}=\"'#ab.\\\n ,", max_size=60))
def test_whatever_the_text_it_ends_and_raises_nothing(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in lines(text).values())
