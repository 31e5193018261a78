"""What of the fleet somebody wants to see: the parameters in the page's URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from rotator.operate.status import State

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 200
"""Characters of a parameter that are looked at; no name and no path that anybody types is longer."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is to be shown.

    Attributes:
        q: Words that name, provider, sink or error must hold, in any case; empty for all.
        state: Only credentials in this state; None for all.
        provider: Only those of this provider; empty for all.
        page: Number of the page, from 1.
        name: The credential to show in detail; empty for the list.
        complaints: What was asked for and cannot be, a sentence each.
    """

    q: str = ""
    state: State | None = None
    provider: str = ""
    page: int = 1
    name: str = ""
    complaints: tuple[str, ...] = ()

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Query:
        """The query of a URL. What makes no sense is left out and complained of; nothing raises."""
        complaints: list[str] = []
        texts = {key: _printable(parameters.get(key, ""), key, complaints) for key in ("q", "provider", "name")}
        return cls(
            state=_state(parameters.get("state", ""), complaints),
            page=_page(parameters.get("page", ""), complaints),
            complaints=tuple(complaints),
            **texts,
        )

    @property
    def narrowed(self) -> bool:
        """Whether not the whole fleet was asked for."""
        return bool(self.q or self.state or self.provider)

    @property
    def href(self) -> str:
        """The relative URL that asks for this."""
        asked = {
            "q": self.q,
            "state": self.state or "",
            "provider": self.provider,
            "page": "" if self.page == 1 else str(self.page),
            "name": self.name,
        }
        return "?" + urlencode({key: value for key, value in asked.items() if value}, errors="replace")

    def to_page(self, page: int) -> Query:
        """The same on another page."""
        return replace(self, page=page)

    def to_state(self, state: State | None) -> Query:
        """The whole fleet in one state."""
        return Query(state=state)

    def to_provider(self, provider: str) -> Query:
        """The whole fleet of one provider."""
        return Query(provider=provider)

    def to_name(self, name: str) -> Query:
        """One credential in detail, remembering the list it was chosen from."""
        return replace(self, name=name)

    def to_list(self) -> Query:
        """The list that a credential was chosen from."""
        return replace(self, name="")


def _printable(text: str, key: str, complaints: list[str]) -> str:
    """A text as it can stand in a page."""
    if len(text) > LONGEST:
        complaints.append(f"{key} is cut after {LONGEST} characters.")
    return "".join(one for one in text[:LONGEST] if one.isprintable()).strip()


def _state(text: str, complaints: list[str]) -> State | None:
    if not text:
        return None
    try:
        return State(text)
    except ValueError:
        complaints.append(f"There is no such state; there are {', '.join(State)}. All are shown.")
        return None


def _page(text: str, complaints: list[str]) -> int:
    # Nine digits at most: Python refuses to read very long numbers, and no fleet has so many pages.
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:  # noqa: PLR2004  see above
        return int(text)
    if text:
        complaints.append("There is no such page; the first one is shown.")
    return 1
