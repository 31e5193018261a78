"""The man page: the commands in the language of man(7)."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from tests.support.reference.commands import EXITS, Command, commands, program

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES = (
    ("./config.toml, /etc/rotator/config.toml", "The configuration, unless -c or $ROTATOR_CONFIG names another one."),
    (
        "rotator.sock in the state directory",
        "Where the running daemon answers, unless http.listen names another place.",
    ),
)

VARIABLES = (
    ("ROTATOR_CONFIG", "The configuration."),
    ("ROTATOR_…", "A key of the configuration, its tables parted by two underscores: ROTATOR_LOG__LEVEL."),
    ("VAULT_ADDR, BAO_ADDR, VAULT_NAMESPACE, BAO_NAMESPACE, VAULT_CACERT, BAO_CACERT", "What [vault] leaves out."),
    ("CREDENTIALS_DIRECTORY", "Where relative names of secret files are looked for first; systemd sets it."),
    ("NO_COLOR", "No colours, when it is set to anything."),
)


def page() -> str:
    """docs/man/rotator.1."""
    whole = program()
    lines = ['.TH ROTATOR 1 "" rotator "User Commands"', ".SH NAME"]
    lines += [
        r"rotator \- keep machine credentials fresh",
        ".SH SYNOPSIS",
        ".B rotator",
        r"[\fIOPTIONS\fR] \fICOMMAND\fR ...",
    ]
    lines += [".SH DESCRIPTION", *_paragraphs(whole.paragraphs), ".SH OPTIONS", *_parameters(whole), ".SH COMMANDS"]
    for command in commands():
        lines += _command(command)
    lines += [".SH EXIT STATUS", *_rows(_exits())]
    lines += [".SH ENVIRONMENT", *_rows(VARIABLES), ".SH FILES", *_rows(FILES), ".SH SEE ALSO"]
    lines += [_text("The documentation has every key of the configuration, every error code and what to do about it.")]
    lines += [_text("rotator explain CODE tells the latter as well.")]
    return "\n".join(short for line in lines for short in _wrapped(line)) + "\n"


def _wrapped(line: str) -> list[str]:
    """A line of text as several, as roff likes them; a request stays one line."""
    if line.startswith("."):
        return [line]
    return textwrap.wrap(line, 78, break_on_hyphens=False, break_long_words=False)


def _command(command: Command) -> list[str]:
    lines = [f".SS {_text(command.usage)}", _text(command.summary)]
    for paragraph in command.paragraphs:
        lines += [".PP", _text(paragraph)]
    lines += _parameters(command)
    for example in command.examples:
        lines += [".PP", "Example:", f".B {_text(example)}"]
    return lines


def _paragraphs(paragraphs: Iterable[str]) -> list[str]:
    first, *rest = paragraphs
    return [_text(first), *(line for one in rest for line in (".PP", _text(one)))]


def _parameters(command: Command) -> list[str]:
    return _rows((one.spelling, one.meaning) for one in command.parameters)


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [line for name, meaning in rows for line in (".TP", f".B {_text(name)}", _text(meaning))]


def _exits() -> list[tuple[str, str]]:
    rows = [line.strip("| ").split(" | ") for line in EXITS.splitlines() if line.startswith("| ")]
    return [(code, meaning) for code, meaning in rows[1:]]


def _text(text: str) -> str:
    r"""Text in which roff finds nothing of its own: hyphens that can be copied, and no word that begins a request."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...").replace("`", "")
    return re.sub(r"(^| )([.'])", r"\1\\&\2", text)
