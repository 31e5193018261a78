"""The search for canaries finds what is there, in every form and any place, and nothing else: else the rest is vain."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canary import TOKEN_CHARACTERS, WINDOW, Searcher, Sighting, canary, forms, thorny

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SECRETS = {"plain": canary("plain"), "token": canary("token", TOKEN_CHARACTERS, 64), "thorny": thorny("thorny")}
SEARCHER = Searcher(SECRETS)
SURROUNDINGS = st.binary(max_size=20)


@given(st.sampled_from(sorted(SECRETS)), st.data(), SURROUNDINGS, SURROUNDINGS)
def test_any_eight_bytes_of_any_form_are_found_wherever_they_stand(
    name: str, data: st.DataObject, before: bytes, after: bytes
) -> None:
    shapes = forms(SECRETS[name])
    shape = shapes[data.draw(st.sampled_from(sorted(shapes)))]
    start = data.draw(st.integers(0, len(shape) - WINDOW))
    found = SEARCHER.look(before + shape[start : start + WINDOW] + after, "here")
    assert {(one.canary, one.where) for one in found} == {(name, "here")}


@given(st.sampled_from(sorted(SECRETS)), st.data(), SURROUNDINGS, SURROUNDINGS)
def test_seven_bytes_are_no_finding(name: str, data: st.DataObject, before: bytes, after: bytes) -> None:
    raw = SECRETS[name].encode()
    start = data.draw(st.integers(0, len(raw) - WINDOW + 1))
    assert SEARCHER.look(b"\n".join((before, raw[start : start + WINDOW - 1], after)), "here") == []


WAYS: dict[str, Callable[[str], str]] = {
    "Basic credentials": lambda secret: base64.b64encode(f"client:{quote_plus(secret)}".encode()).decode(),
    "raw Basic credentials": lambda secret: base64.b64encode(f"a:{secret}".encode()).decode(),
    "url-safe base64": lambda secret: base64.urlsafe_b64encode(f"ab{secret}".encode()).decode(),
    "JSON": lambda secret: json.dumps({"client_secret": secret}),
    "JSON in JSON": lambda secret: json.dumps(json.dumps([secret])),
    "a form": lambda secret: f"client_secret={quote_plus(secret)}&a=b",
    "a query": lambda secret: f"https://host/?x={quote(secret)}",
    "a host": lambda secret: f"https://{secret.lower()}.example/",
    "repr of bytes": lambda secret: repr(secret.encode()),
    "hex": lambda secret: secret.encode().hex(),
    "backwards": lambda secret: secret[::-1],
    "a piece": lambda secret: f"…{secret[5:14]}…",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_found_as_programs_write_it(way: str, name: str) -> None:
    assert {one.canary for one in SEARCHER.look(WAYS[way](SECRETS[name]), "here")} == {name}


def test_the_words_of_this_project_hold_none() -> None:
    files = [*ROOT.glob("rotator/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("tests/**/*.py")]
    assert [found for file in files for found in SEARCHER.look(file.read_bytes(), str(file))] == []


@given(st.binary(max_size=200))
def test_chance_holds_none(data: bytes) -> None:
    assert SEARCHER.look(data, "here") == []


def test_canaries_that_are_too_short_to_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="wanted 24 at least"):
        Searcher({"short": "abc"})


def _raised(error: BaseException, behind: BaseException) -> BaseException:
    """The error as `raise … from None` leaves it while another one is being handled."""
    error.__context__ = behind
    error.__suppress_context__ = True
    return error


def _noted(text: str) -> Exception:
    error = ValueError("innocent")
    error.add_note(text)
    return error


def _attributed(text: str) -> Exception:
    error = ValueError("innocent")
    error.request = text  # type: ignore[attr-defined]  # as exceptions of HTTP libraries have it
    return error


ERRORS: dict[str, Callable[[str], BaseException]] = {
    "its text": ValueError,
    "its arguments": lambda secret: ValueError("a", {"b": secret}),
    "its notes": _noted,
    "its attributes": _attributed,
    "one behind it, not printed": lambda secret: _raised(ValueError("innocent"), KeyError(secret)),
    "the bytes of one behind it": lambda secret: _raised(
        ValueError("innocent"), UnicodeDecodeError("utf-8", secret.encode(), 0, 1, "bad")
    ),
    "one of a group": lambda secret: ExceptionGroup("innocent", [KeyError(secret)]),
}


@pytest.mark.parametrize("place", ERRORS)
def test_a_secret_in_an_exception_is_found_in(place: str) -> None:
    found = SEARCHER.look_at_error(ERRORS[place](SECRETS["plain"]), "here")
    assert {one.canary for one in found} == {"plain"}


def test_an_innocent_exception_holds_none() -> None:
    assert SEARCHER.look_at_error(_raised(ValueError("innocent"), KeyError("as well")), "here") == []


def test_files_are_searched_by_name_and_content_apart_from_those_it_belongs_into(tmp_path: Path) -> None:
    belongs = tmp_path / "deep" / "belongs"
    belongs.parent.mkdir()
    belongs.write_text(SECRETS["token"])
    (tmp_path / "deep" / "left-over").write_text(f"x{SECRETS['plain']}")
    (tmp_path / canary("plain")).touch()
    found = SEARCHER.look_below(tmp_path, {belongs})
    assert {(one.canary, Path(one.where).name) for one in found if one.form == "raw"} == {
        ("plain", "left-over"),
        ("plain", canary("plain")),
    }


def test_what_may_be_read_about_a_process_is_searched() -> None:
    argument, variable = SECRETS["plain"], SECRETS["token"]
    command = ["sh", "-c", "echo ready; read line", argument]
    environ = {"X": variable, "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        found = {(one.canary, Path(one.where).name) for one in SEARCHER.look_at_process(child.pid)}
    assert found == {("plain", "cmdline"), ("token", "environ")}
    assert SEARCHER.look_at_process(os.getpid()) == []


def test_a_finding_does_not_show_what_it_found() -> None:
    found = SEARCHER.look(SECRETS["plain"], "here")
    assert Sighting("plain", "raw", "here") in found
    assert SEARCHER.look(repr(found), "the finding") == []
