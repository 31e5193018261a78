"""A configuration that works, to be broken in one place at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.settings.load import Loaded, load
from rotator.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
[vault]
address = "https://vault.example.com:8200"

[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"

[providers.thx]
token_url = "https://auth.thx.network/token"

[defaults]
renew_at = 0.5

[credentials.billing]
provider = "thx"
source = { type = "vault", path = "secret/apps/billing" }

[[credentials.billing.sinks]]
type = "vault"
path = "secret/tokens/billing"

[[credentials.billing.sinks]]
type = "file"
path = "/run/rotator/billing.token"
"""


class Home:
    """A directory with a configuration and its secret files."""

    good = GOOD

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "config.toml"
        self.secret("role-id", "a-role")
        self.secret("secret-id", "a-secret")

    def secret(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def write(self, text: str) -> Path:
        self.file.write_text(text)
        self.file.chmod(0o644)
        return self.file

    def changed(self, old: str, new: str) -> Path:
        """The good configuration with one piece of text replaced."""
        assert old in GOOD, "the test replaces what is not there"
        return self.write(GOOD.replace(old, new, 1))

    def loads(self, **environ: str) -> Loaded:
        return load(self.file, environ)

    def error(self, **environ: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            load(self.file, environ)
        return caught.value

    def problem(self, **environ: str) -> Problem:
        """The one thing that is wrong."""
        problems = self.error(**environ).problems
        assert len(problems) == 1, [(problem.key, problem.wanted) for problem in problems]
        return problems[0]
