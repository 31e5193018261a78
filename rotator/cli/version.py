"""What `rotator --version` says: what a report of a defect needs."""

from __future__ import annotations

import json
import platform
import ssl
from importlib.resources import files

from rotator import __version__


def lines() -> list[str]:
    """Version, commit, Python, TLS and platform. Nothing is contacted or started."""
    return [
        f"rotator {__version__}",
        f"commit {commit()}",
        f"Python {platform.python_version()} ({platform.python_implementation()}), {ssl.OPENSSL_VERSION}",
        f"{platform.system()} {platform.release()} {platform.machine()}",
    ]


def commit() -> str:
    """The commit that the package was built from, with a + when files differed; `rotator/build_hook.py` leaves it."""
    told = files("rotator").joinpath("build.json")
    unknown = "unknown: run from a checkout, or built outside of one"
    return str(json.loads(told.read_text())["commit"]) if told.is_file() else unknown
