"""What hatchling adds to a package that it builds: the commit, for `rotator --version`, and the man page.

Not part of what is installed. It lies here since whoever builds rotator has this directory, if nothing else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "rotator/build.json"
MAN = "docs/man/rotator.1"


class Hook(BuildHookInterface[Any]):
    """Adds to a wheel or an sdist; an editable installation has the checkout itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        root = Path(self.root)
        if version == "editable":
            return
        if self.target_name == "wheel" and (root / MAN).is_file():
            build_data["shared_data"][str(root / MAN)] = "share/man/man1/rotator.1"
        commit = _commit(root)
        if commit is not None:
            self._told.parent.mkdir(parents=True, exist_ok=True)
            self._told.write_text(json.dumps({"commit": commit}) + "\n")
            build_data["force_include"][str(self._told)] = PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002  the base's
        """Called when it has built."""
        self._told.unlink(missing_ok=True)

    @property
    def _told(self) -> Path:
        return Path(self.directory) / f"build-of-{self.target_name}.json"


def _commit(root: Path) -> str | None:
    """The commit that is checked out here, with a + when files differ from it; None outside of a checkout."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    said = [
        subprocess.run([git, "-C", root, *words], capture_output=True, text=True, check=False)  # noqa: S603  fixed words
        for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    ]
    if any(one.returncode for one in said):
        return None
    return said[0].stdout.strip() + ("+" if said[1].stdout.strip() else "")
