"""Packages written by hand: modules, and beside them what an installer would say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
import asyncio, pathlib, sys, time
from typing import Annotated
from pydantic import BaseModel, field_validator
from rotator.plugins import *

class Nothing(Section):
    pass
"""
"""What the modules begin with."""

SINK = """
class Working:
    kind = "kept"
    def __init__(self, settings, site):
        self.name, self.held = site.name, None
    async def read(self):
        return self.held
    async def write(self, record):
        self.held = record
        return record
    async def check(self):
        pass

def sink(make, settings=Nothing, place=lambda settings, credential: credential, deadline=0.5, api=1):
    return Plugin(api=api, kind=SinkKind(settings=settings, place=place, make=make, deadline=deadline))
"""
"""A sink in memory, to be broken."""


class Packages:
    """A directory to be put on the path of a process.

    Args:
        place: The directory.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()

    @property
    def path(self) -> dict[str, str]:
        """The environment of a process that finds the packages."""
        return {"PYTHONPATH": str(self.place)}

    def add(self, name: str, points: dict[str, dict[str, str]], code: str, version: str = "1.0") -> None:
        """Install a package of one module.

        Args:
            name: Of the package; that of its module has underscores for dashes.
            points: By group, the names of its entry points, and the objects of the module that they name.
            code: What the module holds after `HEAD`.
            version: Of the package.
        """
        module = name.replace("-", "_")
        self.write(module, code)
        information = self.place / f"{module}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines: list[str] = []
        for group, kinds in points.items():
            lines += [f"[{group}]", *(f"{kind} = {module}:{thing}" for kind, thing in kinds.items())]
        (information / "entry_points.txt").write_text("\n".join([*lines, ""]))

    def write(self, module: str, code: str) -> None:
        """Write a module, or write it anew."""
        (self.place / f"{module}.py").write_text(HEAD + SINK + code)

    def add_sinks(self, code: str, *kinds: str) -> None:
        """Install `rotator-handmade 1.0` with sinks, each of which is made by an object of its own name."""
        self.add("rotator-handmade", {"rotator.sinks": {kind: kind for kind in kinds}}, code)
