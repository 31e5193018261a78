"""The page about plugins: its files are those of the example, and its steps are done as they are written."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.model import Secret
from rotator.plugged import finding
from rotator.settings.model import Settings
from tests.support.pages import example, unsaid

if TYPE_CHECKING:
    from tests.docs.conftest import Place

PAGE = "docs/howto/plugins.md"
EXAMPLE = Path(__file__).parents[1] / "plugins/example"
FILES = {
    "pyproject.toml": "pyproject.toml",
    "sqlite.py": "src/rotator_example/sqlite.py",
    "test-contract.py": "tests/test_contract.py",
    "kept-assertion.py": "src/rotator_example/kept_assertion.py",
    "gateway-key.py": "src/rotator_example/gateway_key.py",
}


@pytest.mark.parametrize(("label", "file"), FILES.items(), ids=FILES.keys())
def test_what_the_page_shows_of_the_example_is_what_it_is(label: str, file: str) -> None:
    assert example(PAGE, label) == (EXAMPLE / file).read_text()


async def test_the_steps_of_the_page_lead_to_a_token_in_the_database(site: Place) -> None:
    package = site.home / "rotator-example"
    for label, file in FILES.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(example(PAGE, label))
    shutil.copy(EXAMPLE / "src/rotator_example/__init__.py", package / "src/rotator_example")
    shutil.copy(EXAMPLE / "src/rotator_example/ini.py", package / "src/rotator_example")
    # Into a directory of the test's own, with what is installed already, and nothing fetched.
    pip = {"PIP_TARGET": f"{site.home}/installed", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    pip |= {"PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": f"{site.home}/installed"}
    site = replace(site, environment={**site.environment, **pip})
    await site.sh(f"cd rotator-example\n{example(PAGE, 'install')}{example(PAGE, 'test')}")

    site.clients["billing"] = Secret("a-secret")
    site.configure(example(PAGE, "plugin").replace("/var/lib/rotator", str(site.home)))
    await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=a-secret")
    told = await site.sh("export ROTATOR_CONFIG=$PWD/config.toml\n" + example(PAGE, "check"))
    assert unsaid(example(PAGE, "check-says").replace("config.toml", "…config.toml").splitlines(), told) == []
    await site.sh(example(PAGE, "rotate"))
    with closing(sqlite3.connect(site.home / "tokens.db")) as database:
        ((token, expires_at),) = database.execute(example(PAGE, "consumer"))
    assert token.startswith("eyJ")
    assert expires_at.endswith("Z")


def test_the_page_names_every_key_that_is_rotators_in_a_table_of_a_plugin() -> None:
    text = (Path(__file__).parents[2] / PAGE).read_text()
    definitions = Settings.model_json_schema()["$defs"]
    for group, model in ((finding.SINKS, "PluginSink"), (finding.SOURCES, "PluginSource")):
        assert group.own == definitions[model]["properties"].keys()
        assert [key for key in group.own if f"`{key}`" not in text] == []
