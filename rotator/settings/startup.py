"""How a process of ours takes its configuration: what it read secrets from is gone from its environment then (G06)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.operate.hardening import conceal
from rotator.settings.load import load
from rotator.settings.sources import EnvironmentSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.settings.load import Loaded

ALWAYS = ("VAULT_TOKEN", "BAO_TOKEN")
"""What the vault command's users have in their environment; rotator does not need it, unless token_env names it."""


def take(file: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration, and remove from the process's environment the variables that hold secrets.

    Args:
        file: TOML.
        environ: The environment as it was at the start. A copy: logins and sources find in it what is gone by then.

    Raises:
        ConfigError: It cannot be used. The environment is as it was.
    """
    loaded = load(file, environ)
    settings = loaded.settings
    logins = [vault.auth for vault in (settings.vault, *settings.vaults.values())]
    named = [auth.token_env for auth in logins if auth.method == "token" and auth.token_env is not None]
    sources = [credential.source for credential in settings.credentials.values()]
    held = [name for one in sources if isinstance(one, EnvironmentSource) for name in one.variables.values()]
    conceal([*ALWAYS, *named, *held])
    return loaded
