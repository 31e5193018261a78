"""Every configuration in the documentation is one that rotator takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rotator.settings.load import load
from rotator.settings.vault import METHODS
from tests.support.pages import Example, example, examples

ROOT = Path(__file__).parents[2]
FILES = re.compile(r'^(?!template)([a-z_]+_file) = "[^"]*"', re.MULTILINE)

TEMPLATE = re.compile(r'template_file = "/etc/rotator/([a-z0-9.-]+)"')

VAULT = """
[vault]
address = "https://vault.example.com:8200"
"""
LOGIN = """
[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"
"""
PROVIDER = """
[providers.thx]
token_url = "https://auth.thx.network/token"
"""
CREDENTIAL = """
[credentials.whatever]
provider = "NAME"
source = { type = "vault", path = "secret/apps/whatever" }
sinks = [{ type = "vault", path = "secret/tokens/whatever" }]
"""
AROUND = {"[vault]": VAULT, "[vault.auth]": LOGIN, "[providers.": PROVIDER, "[credentials.": CREDENTIAL}
"""What an excerpt leaves out, by what it would begin with."""

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
"""What sinks of type kubernetes fill in."""

OF_A_SINK = re.compile(r"^\[\[credentials\.([a-z-]+)\.sinks\]\]", re.MULTILINE)

PAGES = [str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]
ELSEWHERE = "docs/howto/plugins.md"
"""Its configuration needs a package: tests/docs/test_plugins.py installs that."""
EXCERPTS = [one for page in PAGES if page != ELSEWHERE for one in examples(page, "toml")]


def completed(excerpt: str, secrets: Path, page: str) -> str:
    """The excerpt as a whole configuration, whose secret files are there."""
    sink = OF_A_SINK.search(excerpt)
    if sink is not None and f"[credentials.{sink[1]}]" not in excerpt:
        bare = CREDENTIAL.replace("whatever", sink[1], 1).replace("NAME", "thx").partition("sinks =")[0]
        excerpt = f"{bare}{excerpt}"
    if "[vault.auth]" in excerpt and "method =" not in excerpt:
        excerpt = excerpt.replace("[vault.auth]", LOGIN.strip())
    missing = [text for begins, text in AROUND.items() if not re.search("^" + re.escape(begins), excerpt, re.MULTILINE)]
    described = re.search(r"^\[providers\.(.+)\]", excerpt, re.MULTILINE)
    whole = excerpt + "".join(missing).replace("NAME", described[1] if described else "thx")
    for name in TEMPLATE.findall(whole):
        secrets.with_name(name).touch(mode=0o600)
        secrets.with_name(name).write_text(example(page, name))
    return FILES.sub(rf'\1 = "{secrets}"', TEMPLATE.sub(rf'template_file = "{secrets.parent}/\1"', whole))


def test_the_documentation_has_configurations() -> None:
    assert len(EXCERPTS) > 12


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=str)
def test_a_configuration_in_the_documentation_is_one_that_rotator_takes(excerpt: Example, tmp_path: Path) -> None:
    secrets, file = tmp_path / "secret", tmp_path / "config.toml"
    secrets.touch(mode=0o600)
    secrets.write_text("anything")
    file.touch(mode=0o600)
    file.write_text(completed(excerpt.text, secrets, excerpt.page))
    assert load(file, IN_A_POD).settings.vault.auth.method in METHODS
