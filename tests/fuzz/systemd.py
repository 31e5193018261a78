"""How systemd reads an `EnvironmentFile=`: its `parse_env_file_internal` (src/basic/env-file.c), state by state."""

from __future__ import annotations

from enum import Enum, auto

_BLANK, _END = " \t\n\r", "\n\r"


class _State(Enum):
    BEFORE_KEY = auto()
    KEY = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    VALUE_ESCAPE = auto()
    SINGLE = auto()
    DOUBLE = auto()
    DOUBLE_ESCAPE = auto()
    COMMENT = auto()
    COMMENT_ESCAPE = auto()


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._state = _State.BEFORE_KEY
        self._key = self._value = ""
        self._kept = 0

    def read(self, text: str) -> None:
        steps = {
            _State.BEFORE_KEY: self._before_key,
            _State.KEY: self._in_key,
            _State.BEFORE_VALUE: self._before_value,
            _State.VALUE: self._in_value,
            _State.VALUE_ESCAPE: self._value_escape,
            _State.SINGLE: self._single,
            _State.DOUBLE: self._double,
            _State.DOUBLE_ESCAPE: self._double_escape,
            _State.COMMENT: self._comment,
            _State.COMMENT_ESCAPE: self._comment_escape,
        }
        for character in text:
            steps[self._state](character)
        if self._state not in {_State.BEFORE_KEY, _State.KEY, _State.COMMENT, _State.COMMENT_ESCAPE}:
            self._assign()

    def _assign(self) -> None:
        # Blanks at the end of a value count only where they were quoted or escaped.
        value = self._value[: self._kept] + self._value[self._kept :].rstrip(_BLANK)
        self.found[self._key.rstrip(_BLANK)] = value
        self._key = self._value = ""
        self._kept = 0
        self._state = _State.BEFORE_KEY

    def _add(self, text: str, *, keep: bool) -> None:
        self._value += text
        if keep:
            self._kept = len(self._value)

    def _before_key(self, character: str) -> None:
        if character in "#;":
            self._state = _State.COMMENT
        elif character not in _BLANK:
            self._key, self._state = character, _State.KEY

    def _in_key(self, character: str) -> None:
        if character in _END:
            self._key, self._state = "", _State.BEFORE_KEY
        elif character == "=":
            self._state = _State.BEFORE_VALUE
        else:
            self._key += character

    def _before_value(self, character: str) -> None:
        opened = {"'": _State.SINGLE, '"': _State.DOUBLE, "\\": _State.VALUE_ESCAPE}
        if character in _END:
            self._assign()
        elif character in opened:
            self._state = opened[character]
        elif character not in _BLANK:
            self._state = _State.VALUE
            self._add(character, keep=False)

    def _in_value(self, character: str) -> None:
        if character in _END:
            self._assign()
        elif character == "\\":
            self._state = _State.VALUE_ESCAPE
        else:
            self._add(character, keep=False)

    def _value_escape(self, character: str) -> None:
        self._state = _State.VALUE
        if character not in _END:
            self._add(character, keep=True)

    def _single(self, character: str) -> None:
        if character == "'":
            self._state = _State.BEFORE_VALUE
        else:
            self._add(character, keep=True)

    def _double(self, character: str) -> None:
        if character == '"':
            self._state = _State.BEFORE_VALUE
        elif character == "\\":
            self._state = _State.DOUBLE_ESCAPE
        else:
            self._add(character, keep=True)

    def _double_escape(self, character: str) -> None:
        self._state = _State.DOUBLE
        if character in '"\\`$':
            self._add(character, keep=True)
        elif character != "\n":
            self._add(f"\\{character}", keep=True)

    def _comment(self, character: str) -> None:
        if character == "\\":
            self._state = _State.COMMENT_ESCAPE
        elif character in _END:
            self._state = _State.BEFORE_KEY

    def _comment_escape(self, _: str) -> None:
        self._state = _State.COMMENT


def environment(content: bytes) -> dict[str, str]:
    """The variables that systemd takes from a file."""
    reader = _Reader()
    reader.read(content.decode())
    return reader.found
