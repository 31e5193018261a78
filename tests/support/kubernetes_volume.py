"""A Secret as a kubelet mounts it, changed in the steps that it takes (AtomicWriter in its package volume/util)."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SecretVolume:
    """A mount point.

    Args:
        path: Of it; made at the first write.
        mode: Of the files: `defaultMode`, with which a kubelet makes them readable to all unless told otherwise.
    """

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        self.path = path
        self._mode = mode
        self._numbers = itertools.count(1)

    def write(self, fields: Mapping[str, str]) -> None:
        """Let it hold these keys and no others, at one stroke."""
        self.path.mkdir(exist_ok=True, mode=0o755)
        data = self.path / "..data"
        before = data.readlink() if data.is_symlink() else None
        hidden = self.path / f"..2026_01_01_00_00_00.{next(self._numbers)}"
        hidden.mkdir(mode=0o755)
        for key, text in fields.items():
            (hidden / key).write_text(text)
            (hidden / key).chmod(self._mode)
        (self.path / "..data_tmp").symlink_to(hidden.name)
        (self.path / "..data_tmp").rename(data)
        for key in fields:
            if not (self.path / key).is_symlink():
                (self.path / key).symlink_to(f"..data/{key}")
        for link in self.path.iterdir():
            if not link.name.startswith("..") and link.name not in fields:
                link.unlink()
        if before is not None:
            shutil.rmtree(self.path / before)
