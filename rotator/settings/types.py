"""The kinds of values that the configuration is made of. Each refuses what is not safe, and says what is wanted.

A refusal never repeats the value: whether it may be shown is decided where errors are rendered (G11).
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError, core_schema

from rotator.engine.quota import Quota
from rotator.wire.addresses import never_allowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

DAY = 86400.0
MONTH = 31 * DAY

REFUSED, PARTS = "refused", 5
"""The type of every refusal made here, and the lines of its text."""

HIDDEN = "hidden"

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)s)?(?:([0-9]{1,9})ms)?"
)
_RATE = re.compile(r"([0-9]{1,6})/(s|m|h)")
_QUOTA = re.compile(rf"([0-9]{{1,6}})/(?:{_DURATION.pattern}|[smh])")


class Section(BaseModel):
    """A table of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def refuse(
    wanted: str, cure: str = "", under: str = "", *, hidden: bool = False, found: str = ""
) -> PydanticCustomError:
    """A refusal.

    Args:
        wanted: What is wanted instead, without the value.
        cure: What to do, where that is more than to write what is wanted.
        under: The key below the one being validated that is meant.
        hidden: The value must not be shown: whatever stands there is no misspelling of what belongs there.
        found: What was found, where that is something else than the value.
    """
    parts = (wanted, cure, under, HIDDEN if hidden else "", found)
    text = "\n".join(part.replace("\n", " ") for part in parts)
    return PydanticCustomError(REFUSED, "{text}", {"text": text})


def nearest(word: object, choices: Iterable[str]) -> str:
    """The one that this is a misspelling of; empty for what is none."""
    return next(iter(difflib.get_close_matches(word, choices, n=1)), "") if isinstance(word, str) else ""


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names for a message, of which there may be ten thousand."""
    known = sorted(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return (", ".join(known[:most]) or "none") + more


def any_of(choices: tuple[str, ...]) -> str:
    """`a, b or c`."""
    return " or ".join(part for part in (", ".join(choices[:-1]), choices[-1]) if part)


class _Read:
    """Metadata of an `Annotated` type whose `read` is called with what the file says."""

    def read(self, value: Any) -> Any:
        raise NotImplementedError

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The JSON schema of what `read` accepts."""
        return schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.describe(handler(schema))


@dataclass(frozen=True, slots=True)
class Seconds(_Read):
    """A duration with its unit, read as seconds: `500ms`, `5s`, `5m`, `1h30m` (G03).

    Attributes:
        least: Seconds, more than 0.
        most: Seconds.
    """

    least: float
    most: float

    def read(self, value: Any) -> float:
        """The duration in seconds."""
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise refuse('a duration with its unit, such as "500ms", "5s", "5m" or "1h30m"')
        parts = zip(match.groups(), _UNITS.values(), strict=True)
        seconds = sum(float(figure) * unit for figure, unit in parts if figure)
        if not self.least <= seconds <= self.most:
            raise refuse(f"a duration from {spell(self.least)} to {spell(self.most)}")
        return seconds

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  the base's signature
        """See `_Read`."""
        bounds = f"{spell(self.least)} to {spell(self.most)}"
        return {"type": "string", "pattern": f"^{_DURATION.pattern}$", "$comment": f"A duration, {bounds}."}


def spell(seconds: float) -> str:
    """A duration as the configuration writes it: `90` is `1m30s`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((int(hours), "h"), (int(minutes), "m"), (float(f"{rest:.3f}"), "s"))
    return "".join(f"{figure:g}{unit}" for figure, unit in parts if figure)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so much time.

    Attributes:
        count: Requests, at least 1.
        period: Seconds: 1, 60 or 3600.
    """

    count: int
    period: float

    @classmethod
    def read(cls, value: Any) -> Rate:
        """`20/s`, `100/m` or `50/h`."""
        match = _RATE.fullmatch(value) if isinstance(value, str) else None
        if match is None or not int(match[1]):
            raise refuse('requests per second, minute or hour, at least 1: "20/s", "100/m" or "50/h"')
        return cls(int(match[1]), _UNITS[match[2]])

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.read)

    @classmethod
    def __get_pydantic_json_schema__(cls, _: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": f"^{_RATE.pattern}$",
            "description": "Requests per second, minute or hour.",
        }


class QuotaText(_Read):
    """So many tokens in so much time: `50/12h`, `200/h`."""

    def read(self, value: Any) -> Quota:
        """The quota."""
        match = _QUOTA.fullmatch(value) if isinstance(value, str) else None
        if match is None or not int(match[1]):
            raise refuse('tokens per span, at least 1: "50/12h", "200/h" or "1/20m"')
        span = match[0].partition("/")[2]
        return Quota(int(match[1]), Seconds(1, MONTH).read(span if span[0].isdecimal() else f"1{span}"))

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  the base's signature
        """See `_Read`."""
        bounds = f"{spell(1)} to {spell(MONTH)}"
        return {"type": "string", "pattern": f"^{_QUOTA.pattern}$", "$comment": f"Tokens per span of {bounds}."}


@dataclass(frozen=True, slots=True)
class Count(_Read):
    """A whole number within bounds; no boolean."""

    least: int
    most: int

    def read(self, value: Any) -> int:
        """The number; the environment writes it as text."""
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise refuse(f"a whole number from {self.least} to {self.most}")
        return value

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`."""
        return {**schema, "minimum": self.least, "maximum": self.most}


class Share(_Read):
    """A number between 0 and 1, without both (G03)."""

    def read(self, value: Any) -> float:
        """The number; the environment writes it as text."""
        if isinstance(value, str) and re.fullmatch(r"[0-9]?\.[0-9]{1,9}", value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise refuse("a share of the lifetime, more than 0 and less than 1, such as 0.5")
        return value

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`."""
        return {**schema, "exclusiveMinimum": 0, "exclusiveMaximum": 1}


@dataclass(frozen=True, slots=True)
class Choice(_Read):
    """One word out of a few.

    Attributes:
        now: What there is.
        key: For a table that is told by one of its keys: that key.
    """

    now: tuple[str, ...]
    key: str = ""

    def read(self, value: Any) -> Any:
        """The word, or the table that holds it."""
        if self.key and not isinstance(value, dict):
            return value
        word = value.get(self.key) if self.key else value
        if word not in self.now:
            near = nearest(word, self.now)
            raise refuse(any_of(self.now), f"did you mean {near}?" if near else "", self.key, hidden=not near)
        return value

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`; a text of which the schema does not say yet what it may be."""
        plain = not self.key and schema.get("type") == "string" and not {"enum", "const"} & schema.keys()
        return {**schema, "examples": list(self.now)} if plain else schema


@dataclass(frozen=True, slots=True)
class Text(_Read):
    """A text in which each character is one of a closed set; look-alikes of other scripts are none (G08).

    Attributes:
        pattern: What the whole of it matches.
        wanted: The same in words.
        hidden: Whether one that is refused is not shown: a name is easily mixed up with the secret that it stands for.
    """

    pattern: str
    wanted: str
    hidden: bool = False

    def read(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise refuse(self.wanted, hidden=self.hidden)
        return value

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`."""
        return {**schema, "pattern": f"^{self.pattern}$"}


class NetworkText(_Read):
    """Addresses with a common beginning, as 10.0.0.0/8 or fd00::/8; a single address counts as well (N02)."""

    def read(self, value: Any) -> str:
        """The network as it is commonly written."""
        try:
            # An integer would be an address, too.
            network = ipaddress.ip_network(value if isinstance(value, str) else "")
        except ValueError:
            raise refuse(
                'a network such as "10.0.0.0/8", "192.0.2.7" or "fd00::/8", with no bits set beyond its prefix'
            ) from None
        if kind := never_allowed(network):
            raise refuse(f"a network of addresses that may be talked to; {kind} ones never are")
        return str(network)


NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
Name = Annotated[
    str,
    Text(
        NAME,
        "a name of at most 63 lower-case letters, digits, dots, dashes or underscores, no dash in front",
        hidden=True,
    ),
]
FieldName = Annotated[
    str, Text(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "a field name of letters, digits, _ . and -", hidden=True)
]
Variable = Annotated[
    str,
    Text(r"[A-Z_][A-Z0-9_]{0,127}", 'the name of an environment variable, such as "VAULT_TOKEN"', hidden=True),
]
Account = Annotated[
    str, Text(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?", "a user's or group's name or number, as text", hidden=True)
]
PlainText = Annotated[str, StringConstraints(max_length=4096), Text(r"[ -~]*", "printable ASCII characters")]
Scope = Annotated[
    str,
    Text(
        r"(?:[!#-\[\]-~]+(?: [!#-\[\]-~]+)*)?",
        'scopes with one space between them, such as "openid admin" (RFC 6749 section 3.3)',
    ),
]


QuotaValue = Annotated[Quota, QuotaText()]

Networks = Annotated[tuple[Annotated[str, NetworkText()], ...], Field(min_length=1)]
ON_ALLOWED_NETWORKS = "Networks that its addresses must lie in. Link-local ones are never talked to."


def mapping_of(value: object) -> Mapping[str, Any]:
    """The table, or an empty one for what is none."""
    return value if isinstance(value, dict) else {}
