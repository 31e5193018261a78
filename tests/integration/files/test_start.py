"""A file that can never be written as configured is told at the start, and not at three at night."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.support.process import rotator

CONFIGURATION = """\
state_dir = "{home}/state"
[vault]
address = "http://127.0.0.1:9"
[vault.auth]
method = "approle"
role_id = "somebody"
secret_id_file = "secret-id"
[providers.thx]
token_url = "http://127.0.0.1:9/token"
[credentials.billing]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{sinks}]
"""

TROUBLE = {
    "f14 there is no such group": ('{home}/a.token", group = "no-such-group', "there is no group 'no-such-group'"),
    "f11 everybody may write there": ("{home}/open/b.token", "everybody may write to the directory"),
    "f12 it is a FIFO": ("{home}/fifo", "is a FIFO"),
    "f08 it is a link": ("{home}/link", "is a symbolic link"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one start says of all of it; nobody is at the addresses, and nobody is asked."""
    home = tmp_path_factory.mktemp("home")
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    os.mkfifo(home / "fifo")
    (home / "link").symlink_to("elsewhere")
    secret = home / "secret-id"
    secret.touch(mode=0o600)
    secret.write_text("secret")
    sinks = ", ".join(f'{{ type = "file", path = "{path.format(home=home)}" }}' for path, _ in TROUBLE.values())
    configuration = home / "config.toml"
    configuration.write_text(CONFIGURATION.format(home=home, sinks=sinks))
    code, _, err = asyncio.run(rotator("run", "-c", configuration))
    assert code == 2, err
    return err


@pytest.mark.parametrize("case", TROUBLE)
def test_a_start_is_refused_with_the_reason(said: str, case: str) -> None:
    index = list(TROUBLE).index(case)
    (told,) = [part for part in said.split("credentials.billing.") if part.startswith(f"sinks[{index}]")]
    assert TROUBLE[case][1] in told
