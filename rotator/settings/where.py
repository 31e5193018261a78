"""Where a rotator listens and keeps its state; commands that only ask a running one need to know no more than that."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.operate.listening import HttpSettings
from rotator.settings.http import UNIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.settings.http import Http


def place(section: Http, state: Path) -> HttpSettings:
    """Where that is, without the bearer that guards it."""
    path, address = None, None
    if section.listen is None:
        path = state / "rotator.sock"
    elif section.listen.startswith(UNIX):
        path = Path(section.listen.removeprefix(UNIX))
    else:
        host, _, port = section.listen.rpartition(":")
        address = (host.strip("[]"), int(port))
    return HttpSettings(path, address, section.socket_mode, frozenset(section.actions))


def usual_state_dir(environ: Mapping[str, str]) -> Path:
    """Where dates are kept that files cannot carry, where the configuration says nothing of it."""
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/rotator")
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state")
    return home / "rotator"
