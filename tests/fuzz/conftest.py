from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.settings.home import GOOD, Home

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.write(GOOD)
    return home
