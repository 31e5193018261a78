"""Placeholder of the lead until the page is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HEADERS: dict[str, str] = {}


@dataclass(frozen=True)
class Query:
    @classmethod
    def parse(cls, _: Any) -> Query:
        return cls()


def render(status: Any, history: Any, query: Any) -> bytes:
    return b""
