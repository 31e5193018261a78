"""config.example.toml documents every key with its default, and the JSON schema describes the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.settings.model import schema
from rotator.settings.types import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.settings.home import Home

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
SCHEMA = schema()
SECTIONS = sorted(SCHEMA["$defs"])


def keys() -> Iterator[tuple[str, str, Any]]:
    for table, node in {"Settings": SCHEMA, **SCHEMA["$defs"]}.items():
        for key, described in node.get("properties", {}).items():
            yield table, key, described


def test_the_example_is_accepted_and_nothing_in_it_is_warned_of(home: Home) -> None:
    shutil.copy(EXAMPLE, home.file)
    loaded = home.loads()
    assert list(loaded.settings.credentials) == ["asset-pool"]
    assert loaded.warnings == ()


@pytest.mark.parametrize(("table", "key"), [pytest.param(t, k, id=f"{t}.{k}") for t, k, _ in keys()])
def test_the_example_has_every_key(table: str, key: str) -> None:
    as_table = rf"^(?:# )?\[+(?:[a-z.-]*\.)?{key}\b"
    assert re.search(rf"^(?:# )?{key} = |\b{key} = |{as_table}", EXAMPLE.read_text(), re.MULTILINE), table


def spelled(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f'"{default}"' if isinstance(default, str) else str(default)


DEFAULTS = [(table, key, node["default"]) for table, key, node in keys() if node.get("default") not in (None, [])]


@pytest.mark.parametrize(("table", "key", "default"), [pytest.param(*row, id=f"{row[0]}.{row[1]}") for row in DEFAULTS])
def test_the_example_tells_the_default_that_the_model_has(table: str, key: str, default: object) -> None:
    line = rf"^# {key} = {re.escape(spelled(default))}(?: +#.*)?$"
    assert re.search(line, EXAMPLE.read_text(), re.MULTILINE), table


def test_there_are_as_many_defaults_as_the_models_have() -> None:
    assert len(DEFAULTS) >= 20


@pytest.mark.parametrize(("table", "key", "node"), [pytest.param(*row, id=f"{row[0]}.{row[1]}") for row in keys()])
def test_the_schema_describes_every_key(table: str, key: str, node: dict[str, Any]) -> None:
    # A key whose words are those of its table is only a reference to it.
    table_of_it = SCHEMA["$defs"].get(str(node.get("$ref", "")).rpartition("/")[2], {})
    assert node.get("description") or table_of_it.get("description"), f"{table}.{key}"


def test_the_schema_has_every_table() -> None:
    tables = {kind.__name__ for kind in below(Section) if kind.__module__.startswith("rotator.settings")}
    assert {name for name in tables if not name.startswith("_")} - {"Asked", "Hooked"} == set(SECTIONS)


def below(kind: type) -> Iterator[type]:
    subclasses: list[type] = kind.__subclasses__()
    for one in subclasses:
        yield one
        yield from below(one)


def test_the_schema_lets_nothing_pass_that_is_not_known_but_in_tables_that_only_a_plugin_knows() -> None:
    open_ones = {name for name, node in SCHEMA["$defs"].items() if node.get("additionalProperties") is not False}
    assert open_ones == {"PluginSink", "PluginSource"}
    assert SCHEMA["additionalProperties"] is False


def test_the_schemas_durations_match_their_defaults() -> None:
    texts = [node for _, _, node in keys() if "pattern" in node and isinstance(node.get("default"), str)]
    assert len(texts) >= 8
    for node in texts:
        assert re.fullmatch(node["pattern"], node["default"])
