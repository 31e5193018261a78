"""Kinds of installed packages in the configuration: which words name them, and what their own models say of their keys.

A plugin is told from a built-in kind by its name, and imported when that is met. What its model refuses is refused
with the rest of the configuration, each key in its place. Of the texts of its exceptions nothing is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from rotator.core.errors import whence
from rotator.plugged import finding
from rotator.plugged.judging import Found, Group, UnusableError
from rotator.settings.types import PARTS, REFUSED, Choice, any_of, listed, nearest, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

OURS, THEIRS = "(a kind of rotator)", "(a kind of a package)"
"""Tags in pydantic's locations; no keys are called so."""

LONGEST_PLACE = 200
"""Characters of the name of a place."""

_FOREIGN = frozenset({"error", "tag"})
"""What the text of pydantic's errors takes from elsewhere: from an exception, or from the value itself."""

_KNOWN = frozenset(get_args(ErrorType))


@dataclass(frozen=True, slots=True)
class Kind(Choice):
    """The name of a kind: one of ours, or one of an installed package.

    Attributes:
        group: Of the entry points of such kinds.
    """

    group: Group = finding.SINKS

    def read(self, value: Any) -> Any:
        """The word, or the table that holds it. A grant and a client authentication are ready for use then."""
        if self.key and not isinstance(value, dict):
            return value
        word = value.get(self.key) if self.key else value
        if not isinstance(word, str):
            raise refuse(self._wanted(), under=self.key, hidden=True)
        if word in self.now:
            self._see_that_it_is_ours(word)
        elif word not in finding.offered(self.group):
            raise self._unknown(word)
        elif self.group.take is not None:
            found(self.group, word)
        return value

    def _see_that_it_is_ours(self, word: str) -> None:
        """A package that offers a kind of a built-in's name is not loaded; but is it that one that is meant?"""
        offered = finding.offers(self.group, word)
        if offered:
            raise refuse(
                f"names for the kinds of packages that rotator does not have itself: {any_of(self.now)} are taken",
                "pip uninstall the package, or have it choose another name",
                self.key,
                found=f"the name of a built-in {self.group.noun}, which {offered} offers as well",
            )

    def _unknown(self, word: str) -> PydanticCustomError:
        near = nearest(word, (*self.now, *finding.offered(self.group)))
        absent = f"no installed package provides it; one that does has an entry point in {self.group.name}"
        unreadable = finding.unreadable()
        absent += f"; the entry points of {listed(unreadable)} cannot be read" if unreadable else ""
        cure = f"did you mean {near}? If not: {absent}" if near else absent
        return refuse(self._wanted(), cure, self.key, hidden=not near)

    def _wanted(self) -> str:
        offered = finding.offered(self.group)
        return any_of(self.now) + (f", or of an installed package: {listed(offered)}" if offered else "")


@dataclass(frozen=True, slots=True)
class Plugged:
    """A table of a kind of an installed package.

    Attributes:
        found: The kind.
        settings: What the table says, as the kind's own model has it.
        places: Those that were asked for.
    """

    found: Found
    settings: BaseModel
    places: dict[str, str] = field(default_factory=dict, compare=False)

    def place(self, credential: str) -> str:
        """Where a sink is, for the credential of this name; asked for once.

        Raises:
            UnusableError: The kind does not say so, or what it says is no such name.
        """
        if credential not in self.places:
            self.places[credential] = self._place(credential)
        return self.places[credential]

    def _place(self, credential: str) -> str:
        whose = f"place of the {self.found.noun} {self.found.name} of {self.found.origin}"
        try:
            place = self.found.kind.place(self.settings, credential)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
            told = f"raised {whence(error)}"
        else:
            if isinstance(place, str) and 0 < len(place) <= LONGEST_PLACE and place.isprintable():
                return place
            told = f"returned a {type(place).__name__} that is none"
        # Not raised above: the exception met there may hold what was read.
        wanted = f"one line of at most {LONGEST_PLACE} characters"
        raise UnusableError(f"{whose} {told}", wanted, f"report it to the author of {self.found.origin}")


def found(group: Group, name: str, under: str = "") -> Found:
    """The kind of an installed package that offers one of this name.

    Raises:
        PydanticCustomError: It cannot be used.
    """
    try:
        return finding.find(group, name)
    except UnusableError as error:
        raise refuse(error.wanted, error.cure, under, found=error.found) from None


def no_builtin(kinds: tuple[str, ...]) -> WithJsonSchema:
    """What editors are told of the `type` of a table that is not of these kinds."""
    return WithJsonSchema({"type": "string", "not": {"enum": list(kinds)}})


def whose(kinds: tuple[str, ...]) -> Callable[[Any], str]:
    """Tells tables of these kinds from those of installed packages."""

    def tag(table: Any) -> str:
        name = table.get("type") if isinstance(table, dict) else getattr(table, "type", kinds[0])
        return OURS if name in kinds else THEIRS

    return tag


def take(group: Group, name: str, extra: dict[str, Any] | None) -> Plugged:
    """What a table says whose `type` is a kind of an installed package.

    Args:
        group: Of the kind.
        name: Of the kind.
        extra: The keys of the table that are not rotator's. They are taken out of it: what knows them is the plugin.

    Raises:
        PydanticCustomError: The kind cannot be used.
        ValidationError: Its keys are refused.
    """
    keys = dict(extra or {})
    (extra or {}).clear()
    kind = found(group, name, "type")
    refused: ValidationError | PydanticCustomError
    try:
        return Plugged(kind, kind.kind.settings.model_validate(keys))
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        refused = ValidationError.from_exception_data(
            name, [_retold(one, group, kind, keys) for one in details], hide_input=True
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
        refused = refuse(
            "settings that it reads without an exception",
            f"report it to the author of {kind.origin}",
            found=f"the {kind.noun} {name} of {kind.origin} raised {whence(error)}",
        )
    # Not raised above: the exceptions met there hold what was read.
    raise refused


def _retold(details: ErrorDetails, group: Group, kind: Found, keys: Mapping[str, Any]) -> InitErrorDetails:
    """One refusal of a plugin's model, without any text that is not pydantic's own or made with `refuse`."""
    path, context = _path(details, keys), details.get("ctx", {})
    told: str | PydanticCustomError = details["type"]
    if details["type"] == REFUSED and len(details["msg"].split("\n")) == PARTS:
        told, context = PydanticCustomError(REFUSED, "{text}", {"text": details["msg"]}), {}
    elif details["type"] == "extra_forbidden":
        told = _unknown_key(path, group, kind)
    elif details["type"] not in _KNOWN or context.keys() & _FOREIGN:
        told = refuse(f"what {kind.origin} takes there; its documentation says what that is", hidden=True)
    if isinstance(told, PydanticCustomError):
        return InitErrorDetails(type=told, loc=path, input=None)
    return InitErrorDetails(type=told, loc=path, input=None, ctx=context)


def _unknown_key(path: tuple[str | int, ...], group: Group, kind: Found) -> PydanticCustomError:
    cure = f"leave it out; the documentation of {kind.origin} explains every key"
    what = "a key that is not known (its value is not shown)"
    if len(path) > 1:
        return refuse(f"a key that {kind.origin} knows", cure, found=what)
    fields = kind.kind.settings.model_fields
    known = [*(field.alias or name for name, field in fields.items()), *group.own]
    near = nearest(path[-1], known)
    return refuse(f"one of {listed(known, most=30)}", f"did you mean {near}?" if near else cure, found=what)


def _path(details: ErrorDetails, keys: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Where it is in the table: without what pydantic adds to a location, as the tags of unions."""
    path: tuple[str | int, ...] = ()
    here: Any = keys
    for index, part in enumerate(details["loc"]):
        last = index == len(details["loc"]) - 1
        if isinstance(here, dict) and (part in here or (last and details["type"] == "missing")):
            path, here = (*path, part), here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            path, here = (*path, part), here[part]
    return path
