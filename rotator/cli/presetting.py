"""What `presets` prints: which presets there are, and the table of the configuration that one stands for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rotator.settings import filling
from rotator.settings.presets import PRESET, PRESETS, READ, VARIABLES
from rotator.settings.problems import ConfigError, Problem, dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rotator.settings.presets import Preset, Variable


def every(output: str) -> int:
    """Tell which there are; the exit code."""
    if output == "json":
        _print([_document(name) for name in PRESETS])
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("PRESET", no_wrap=True)
    for title in ("FOR", "VARIABLES", "GRANTS"):
        table.add_column(title, overflow="fold")
    for name, preset in PRESETS.items():
        variables = ", ".join(_signature(key, one) for key, one in preset.variables.items())
        told = (name, f"{preset.title}: {preset.what}", variables, ", ".join(preset.grants))
        table.add_row(*map(Text, told))
    Console().print(table)
    return 0


def one(name: str, given: Iterable[str], output: str) -> int:
    """Print the table that a preset stands for; the exit code.

    Args:
        name: Of the preset.
        given: Its variables, each as NAME=VALUE.
        output: `text` for TOML, or `json`.

    Raises:
        ConfigError: There is no such preset, or its variables cannot be used; no value is repeated.
    """
    keys = _keys(name, given)
    if output == "json":
        _print({**_document(name), "keys": keys})
    else:
        print(toml(name, keys))  # noqa: T201  the command's output
    return 0


def toml(name: str, keys: dict[str, Any]) -> str:
    """A table of the configuration, with what there is to know of it as comments.

    Args:
        name: Of the preset, and of the provider.
        keys: That it stands for.
    """
    lines = [f"# {line}".rstrip() for line in _comments(PRESETS[name])]
    lines += [f"[providers.{name}]", *(f"{key} = {_value(value)}" for key, value in keys.items())]
    return "\n".join(lines)


def _keys(name: str, given: Iterable[str]) -> dict[str, Any]:
    pairs = [text.partition("=") for text in given]
    provider = {PRESET: name, **{key: value for key, _, value in pairs}}
    odd = [key for key, equals, _ in pairs if not equals or key not in VARIABLES]
    if odd and name in PRESETS:
        takes = "".join(f" {key}={variable.sample}" for key, variable in PRESETS[name].variables.items())
        wanted = f"NAME=VALUE for its variables: rotator presets {name}{takes}"
        raise ConfigError("the command line", [Problem("", None, "a word that is no variable (not shown)", wanted)])
    filled = filling.fill({"providers": {name: provider}})
    if filled.findings:
        problems = [
            Problem(dotted(finding.path[2:]), None, finding.found, finding.wanted, finding.cure)
            for finding in filled.findings
        ]
        raise ConfigError("the command line", problems)
    keys: dict[str, Any] = filled.table["providers"][name]
    return keys


def _comments(preset: Preset) -> Iterator[str]:
    yield f"{preset.title}: {preset.what}."
    yield f"Grants: {', '.join(preset.grants)}."
    yield from preset.notes.splitlines()
    yield f"Not tried against the provider. Checked on {READ} against: {preset.how}."
    for page in preset.checked:
        yield f"  {page.title}"
        if page.url:
            yield f"    {page.url}"


def _signature(name: str, variable: Variable) -> str:
    if variable.optional:
        return f"[{name}]"
    return name if variable.default is None else f"{name}={variable.default}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(below)}" for key, below in value.items()) + " }"
    return json.dumps(value)


def _document(name: str) -> dict[str, Any]:
    preset = PRESETS[name]
    return {
        "preset": name,
        "title": preset.title,
        "for": preset.what,
        "variables": {
            key: {
                "meaning": variable.meaning,
                "sample": variable.sample,
                "default": variable.default,
                "required": variable.default is None and not variable.optional,
            }
            for key, variable in preset.variables.items()
        },
        "grants": list(preset.grants),
        "checked": {
            "tried": False,
            "against": preset.how,
            "read": READ,
            "pages": [{"title": page.title, "url": page.url or None} for page in preset.checked],
        },
        "notes": preset.notes.splitlines(),
    }


def _print(document: object) -> None:
    print(json.dumps(document, indent=2))  # noqa: T201  the command's output
