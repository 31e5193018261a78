"""Write the pages anew."""

from __future__ import annotations

from tests.support.reference.pages import PAGES, ROOT

for place, page in PAGES.items():
    (ROOT / place).parent.mkdir(exist_ok=True)
    (ROOT / place).write_text(page())
