"""Presets laid below the operator's own keys of [providers.NAME], before anything is validated.

What is wrong with a preset or its variables is told as any other finding, at the operator's own keys. Their values are
not repeated: a name is easily mixed up with the secret that it stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.settings.presets import PRESET, PRESETS, VARIABLES
from rotator.settings.problems import Finding
from rotator.settings.secrecy import kind, shown
from rotator.settings.types import any_of, listed, mapping_of, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rotator.settings.locate import Path
    from rotator.settings.presets import Preset, Variable

_PLACE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Filled:
    """A configuration with its presets filled in.

    Attributes:
        table: Without the keys that only a preset knows.
        findings: What is wrong with them.
        unfilled: Providers whose keys are missing for that reason.
    """

    table: dict[str, Any]
    findings: tuple[Finding, ...]
    unfilled: tuple[Path, ...]


def fill(table: Mapping[str, Any]) -> Filled:
    """The configuration with every preset filled in; `table` is not changed."""
    providers: dict[str, Any] = {}
    findings: list[Finding] = []
    unfilled: list[Path] = []
    for name, provider in mapping_of(table.get("providers")).items():
        providers[name] = provider
        if isinstance(provider, dict) and provider.keys() & {PRESET, *VARIABLES}:
            at = ("providers", name)
            found = list(_faults(provider, at))
            findings += found
            unfilled += [at] if found else []
            own = {key: value for key, value in provider.items() if key != PRESET and key not in VARIABLES}
            preset = PRESETS.get(str(provider.get(PRESET)))
            providers[name] = own if preset is None or found else laid_below(own, keys(preset, provider))
    filled = {**table, "providers": providers} if providers else dict(table)
    return Filled(filled, tuple(findings), tuple(unfilled))


def keys(preset: Preset, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a preset stands for.

    Args:
        preset: The preset.
        variables: By name; other keys are passed over. Those that are given are good.
    """
    defaults = {name: one.default for name, one in preset.variables.items() if one.default is not None}
    known = {**defaults, **{name: str(variables[name]) for name in preset.variables if name in variables}}
    return {key: _put(value, known) for key, value in preset.keys.items() if _needs(value) <= known.keys()}


def laid_below(own: Mapping[str, Any], filling: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with what it lacks; tables key by key."""
    filled = dict(filling)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(filling.get(key), dict)
        filled[key] = laid_below(value, filling[key]) if both else value
    return filled


def misfit(variable: Variable, value: object) -> bool:
    """Whether a value could leave the place that a preset has for it."""
    return not isinstance(value, str) or re.fullmatch(variable.kind.pattern, value) is None


def _needs(value: object) -> set[str]:
    """The variables that a value of a preset is made with."""
    if isinstance(value, dict):
        return set().union(*map(_needs, value.values()))
    return set(_PLACE.findall(value)) if isinstance(value, str) else set()


def _put(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _put(below, known) for key, below in value.items()}
    return _PLACE.sub(lambda match: known[match[1]], value) if isinstance(value, str) else value


def _faults(provider: Mapping[str, Any], at: Path) -> Iterator[Finding]:
    """What is wrong with the preset of one provider, or with its variables."""
    name = provider.get(PRESET)
    preset = PRESETS.get(name) if isinstance(name, str) else None
    given = [key for key in VARIABLES if key in provider]
    if PRESET not in provider:
        takers = tuple(one for one, preset in PRESETS.items() if set(given) <= preset.variables.keys())
        wanted = f'preset = "…" beside it, of {any_of(takers)}' if takers else "a preset beside it that takes it"
        yield Finding((*at, given[0]), "a variable without a preset", wanted, "add the preset, or leave it out")
    elif preset is None:
        near = nearest(name, PRESETS)
        cure = f"did you mean {near}?" if near else "`rotator presets` tells what each is for"
        yield Finding(
            (*at, PRESET), shown(name) if near else kind(name), f"one of {listed(PRESETS, len(PRESETS))}", cure
        )
    else:
        yield from _of_variables(str(name), preset, provider, given, at)


def _of_variables(
    name: str, preset: Preset, provider: Mapping[str, Any], given: list[str], at: Path
) -> Iterator[Finding]:
    for key in given:
        if key not in preset.variables:
            takes = listed(preset.variables)
            yield Finding((*at, key), "a variable of other presets", f"one of {name}: {takes}", "leave it out")
    for key, variable in preset.variables.items():
        like = f'such as {key} = "{variable.sample}"'
        if key not in provider and variable.default is None and not variable.optional:
            wanted = f"{key}, the {variable.meaning}, which the preset {name} needs"
            yield Finding((*at, key), "nothing", wanted, f"add it, {like}")
        elif key in provider and misfit(variable, provider[key]):
            yield Finding((*at, key), kind(provider[key]), f"{variable.meaning}: {variable.kind.wanted}, {like}", "")
