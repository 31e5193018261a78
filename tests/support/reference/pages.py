"""Which page is made by what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.reference import commands, configuration, http, manpage, metrics, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[3]

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/commands.md": commands.page,
    "docs/reference/configuration.md": configuration.page,
    "docs/reference/http.md": http.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/record.md": record.page,
    "docs/man/rotator.1": manpage.page,
}
