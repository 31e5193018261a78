"""Importing one plugin, and saying what is wrong with it: what was found, what is wanted, how to mend it."""

from __future__ import annotations

import importlib
import math
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from rotator import __version__
from rotator.plugged.api import API, LONGEST, Plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

SHORTEST = 0.1
"""Seconds; the least deadline."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of entry points.

    Attributes:
        name: Of the group.
        noun: What it adds, for messages.
        kind: What its plugins hold.
        own: The keys of a table that are rotator's, for kinds that have tables.
        take: Joins a kind with the built-in ones, for kinds that are but a word.
    """

    name: str
    noun: str
    kind: type
    own: frozenset[str] = frozenset()
    take: Callable[[Found], None] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A kind of an installed package.

    Attributes:
        noun: What it adds: sink, source, grant, client authentication.
        name: In the configuration.
        kind: What it is made of.
        distribution: The package that brings it.
        version: Of that package.
    """

    noun: str
    name: str
    kind: Any
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """The package, for messages: `rotator-example 1.0`."""
        return f"{self.distribution} {self.version}"


class UnusableError(Exception):
    """A plugin that cannot be used.

    Attributes:
        found: What was found. No secret, and no text of an exception.
        wanted: What is wanted instead.
        cure: What to do.
    """

    def __init__(self, found: str, wanted: str, cure: str) -> None:
        super().__init__(f"{found}; wanted {wanted}")
        self.found = found
        self.wanted = wanted
        self.cure = cure


def package(point: EntryPoint) -> str:
    """The package that an entry point comes from, for messages."""
    return " ".join(_package(point))


def loaded(group: Group, point: EntryPoint) -> Found:
    """The kind that an entry point names.

    Raises:
        UnusableError: It cannot be imported, or is not what it has to be.
    """
    what = f"the {group.noun} {point.name} of {package(point)}"
    plugin, reported = _imported(point, what), f"report it to the author of {package(point)}"
    if not isinstance(plugin, Plugin):
        raise UnusableError(f"{what} is {_kind(plugin)}", "a rotator.plugins.Plugin", reported)
    written: object = plugin.api
    if written != API:
        api = f"API {written}" if isinstance(written, int) else "an API that is no number"
        raise UnusableError(
            f"{what} was written for {api}",
            f"API {API}, which is that of rotator {__version__}",
            f"install a version of {_package(point)[0]} for this rotator, or a rotator for this one",
        )
    if not isinstance(plugin.kind, group.kind):
        wanted = f"a {group.kind.__name__}, as {group.name} has them"
        raise UnusableError(f"{what} holds {_kind(plugin.kind)}", wanted, reported)
    wrong = _wrong(plugin.kind, group)
    if wrong is not None:
        raise UnusableError(f"{what} has {wrong[0]}", wrong[1], reported)
    return Found(group.noun, point.name, plugin.kind, *_package(point))


def _imported(point: EntryPoint, what: str) -> object:
    """What an entry point names."""
    if point.pattern.match(point.value) is None:
        raise UnusableError(f"{what} names nothing that could be imported", "MODULE:OBJECT", "report it to its author")
    try:
        found: Any = importlib.import_module(point.module)
        for name in point.attr.split("."):
            found = getattr(found, name, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a module may raise anything
        failed = _told(error)
    else:
        if found is not None:
            return found
        raise UnusableError(
            f"{what} is to be {point.attr} in {point.module}, which has nothing of that name",
            "a rotator.plugins.Plugin",
            f"report it to the author of {package(point)}",
        )
    # Not raised above: the foreign exception's text may hold anything.
    raise UnusableError(
        f"{what} cannot be imported: {failed}",
        "a module that can be imported",
        f"{sys.executable} -c 'import {point.module}' shows why; install what it lacks, or another version of it",
    )


def _told(error: BaseException) -> str:
    """Kind and place of an exception that an import raised, and the name of the module that is missing, if one is."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<frozen importlib") and file not in {importlib.__file__, __file__}:
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        place = f" at {error.filename}:{error.lineno}"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    lacks = f", there is no module {missing}" if missing and _PLAIN.fullmatch(missing) else ""
    return f"{type(error).__name__}{place}{lacks}"


def _wrong(kind: Any, group: Group) -> tuple[str, str] | None:
    """What of a kind is not as it should be, and what is wanted; None when all is well."""
    for name in ("place", "make", "form", "read", "prove"):
        if hasattr(kind, name) and not callable(getattr(kind, name)):
            return f"{_kind(getattr(kind, name))} for {name}", "a function"
    if group.take is None:
        return _wrong_settings(kind.settings, group) or _wrong_deadline(kind.deadline)
    if getattr(kind, "rotates", False):
        return "rotates set", f"none: grants that a person has to start cannot be added in API {API}"
    names = [getattr(kind, "field", ""), *getattr(kind, "fields", ()), *getattr(kind, "further", ())]
    if not all(isinstance(name, str) for name in names):
        return "fields that are no texts", "names of fields of the client's document"
    return None


def _wrong_settings(model: object, group: Group) -> tuple[str, str] | None:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return f"{_kind(model)} for settings", "a model, such as a rotator.plugins.Section"
    if model.model_config.get("extra") != "forbid":
        return "settings that pass over unknown keys", 'a model with extra="forbid", such as a rotator.plugins.Section'
    keys = {field.alias or name for name, field in model.model_fields.items()}
    taken = sorted(keys & group.own)
    if taken:
        return f"{' and '.join(taken)} among its settings", f"other names: those are rotator's in every {group.noun}"
    return None


def _wrong_deadline(deadline: Any) -> tuple[str, str] | None:
    number = isinstance(deadline, int | float) and not isinstance(deadline, bool) and math.isfinite(deadline)
    if number and SHORTEST <= deadline <= LONGEST:
        return None
    return "a deadline out of bounds", f"{SHORTEST:g} to {LONGEST:g} seconds"


def _kind(value: object) -> str:
    """What a thing is, for a message."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _package(point: EntryPoint) -> tuple[str, str]:
    """Name and version."""
    if point.dist is None:
        return "a package without a name", "of no version"
    return str(point.dist.name), str(point.dist.version)
