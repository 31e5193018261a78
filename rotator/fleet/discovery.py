"""Looks for the keys below the paths of [discover.NAME], and has the fleet take up what comes and let go of what goes.

Only a listing tells what there is: one that failed changes nothing, so an outage of Vault takes no credential from
anybody. A key counts as gone when two listings in a row lack it: a standby may lag behind for a moment.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.errors import RotationError
from rotator.settings.discover import Found, UnusableKeyError
from rotator.settings.secrecy import looks_random
from rotator.vault.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from rotator.core.ports import Clock, Journal
    from rotator.fleet import Fleet
    from rotator.settings.discover import Discover
    from rotator.settings.model import Settings

AGAIN = 5.0
"""Seconds after which a listing that failed is tried again, where the interval is not shorter."""

MOST_NAMED = 20
"""Names in an event; there may be a hundred thousand."""

CURE = "Rename the key in Vault, or write a table [credentials.NAME] for it and move it elsewhere."


@dataclass
class Search:
    """What is known of one [discover.NAME].

    Attributes:
        section: The table.
        names: The credentials that were made of its keys, by key.
        others: Credentials that are there as well and were not asked for.
        missing: The keys that the last listing lacked.
        refused: The keys of which no credential can be made, and why.
        failure: Why the last listing failed; None when it did not.
        tried_at: When keys were last asked for, on the elapsed clock; the distant past for never.
        listed: Whether there was ever an answer.
    """

    section: Discover
    names: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    failure: RotationError | None = None
    tried_at: float = -math.inf
    listed: bool = False


class Discovery:
    """The searches of one rotator.

    Args:
        fleet: Takes up what is found.
        clock: Time.
        journal: Told `discover.changed`, `discover.refused`, `discover.failed` and `discover.recovered`.
        removed: Told the names of credentials that are no more.

    Attributes:
        searches: What is known, by the table's name.
        turn: Held while keys are looked for. Who takes over another configuration holds it as well, for the fleet and
            the searches together: nothing is taken up by a template, or at a provider, that is no more.
    """

    def __init__(
        self, fleet: Fleet, clock: Clock, journal: Journal, removed: Callable[[Collection[str]], None] = lambda _: None
    ) -> None:
        self.searches: dict[str, Search] = {}
        self._fleet = fleet
        self._clock = clock
        self._journal = journal
        self._removed = removed
        self.turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._looked = asyncio.Event()

    def apply(self, settings: Settings) -> None:
        """Search as this configuration says; the fleet has it in force already, and has let go of what it left out."""
        before, running = self.searches, self._fleet.members
        self.searches = {place: Search(section) for place, section in settings.discover.items()}
        for place, search in self.searches.items():
            known = before[place].names if place in before else {}
            search.names = {key: name for key, name in known.items() if name in running}
            if place in before and before[place].section == search.section:
                search.tried_at, search.listed = before[place].tried_at, before[place].listed
                search.refused = before[place].refused
        self._changed.set()

    async def run(self) -> None:
        """Look again and again, each table at its own interval."""
        while True:
            self._changed.clear()
            now = self._clock.elapsed()
            due = {place: self._due(search) for place, search in self.searches.items()}
            await self.look([place for place, at in due.items() if at <= now])
            ahead = min(map(self._due, self.searches.values()), default=math.inf) - self._clock.elapsed()
            try:
                await asyncio.wait_for(self._changed.wait(), None if ahead == math.inf else max(ahead, 0.0))
            except TimeoutError:
                continue

    async def look(
        self, places: Iterable[str] | None = None, *, only: Collection[str] | None = None, **how: bool
    ) -> None:
        """List the keys of these tables once, and take up and let go of what has come and gone.

        Args:
            places: Of all of them when left out.
            only: The credentials to take up; None takes all.
            how: See `Fleet.take_up`.
        """
        async with self.turn:
            for place in list(self.searches) if places is None else places:
                if place in self.searches:
                    await self._look(place, self.searches[place], only, how)
        self._looked.set()

    async def tried(self) -> None:
        """Return once every table's keys have been asked for, whatever came of it."""
        await self._until(lambda search: search.tried_at > -math.inf)

    async def listed(self) -> None:
        """Return once every table's keys have been told: until then it is not known which credentials there are."""
        await self._until(lambda search: search.listed)

    async def _until(self, reached: Callable[[Search], bool]) -> None:
        while not all(map(reached, self.searches.values())):
            self._looked.clear()
            await self._looked.wait()

    def names(self) -> set[str]:
        """The credentials that were found, whether they were asked for or not."""
        return {name for search in self.searches.values() for name in (*search.names.values(), *search.others)}

    @staticmethod
    def _due(search: Search) -> float:
        wait = search.section.interval
        return search.tried_at + (wait if search.failure is None else min(wait, AGAIN))

    async def _look(self, place: str, search: Search, only: Collection[str] | None, how: Mapping[str, bool]) -> None:
        source = search.section.source
        listing = Listing(self._fleet.sessions[source.vault or ""], source.below, at_any_depth=source.at_any_depth)
        try:
            keys = set(await listing.keys())
        except RotationError as error:
            self._failed(place, search, error)
            return
        finally:
            search.tried_at = self._clock.elapsed()
        search.listed = True
        if search.failure is not None:
            search.failure = None
            self._journal.event("discover.recovered", discover=place, keys=len(keys))
        added = await self._take_up(place, search, keys, only, how)
        removed = await self._let_go(search, keys)
        if added or removed:
            self._journal.event(
                "discover.changed",
                discover=place,
                credentials=len(search.names),
                added=len(added),
                removed=len(removed),
                names=[*added[:MOST_NAMED], *(f"-{name}" for name in removed[:MOST_NAMED])],
            )

    async def _take_up(
        self, place: str, search: Search, keys: set[str], only: Collection[str] | None, how: Mapping[str, bool]
    ) -> list[str]:
        """The names of those that are new."""
        found, refused = _named(place, search, keys)
        if only is not None:
            search.others = found.keys() - only
            found = {name: one for name, one in found.items() if name in only}
        told = await self._fleet.take_up(found, **how)
        refused |= {found[name].key: why for name, why in told.items()}
        self._tell_refused(place, search, refused)
        taken = {name: one.key for name, one in found.items() if name not in told}
        search.names |= {key: name for name, key in taken.items()}
        return list(taken)

    async def _let_go(self, search: Search, keys: set[str]) -> list[str]:
        """The names of those that are gone."""
        absent = search.names.keys() - keys
        gone = {key: search.names[key] for key in absent & search.missing}
        search.missing = absent - gone.keys()
        if gone:
            await self._fleet.drop(list(gone.values()))
            self._removed(list(gone.values()))
            search.names = {key: name for key, name in search.names.items() if key not in gone}
        return sorted(gone.values())

    def _failed(self, place: str, search: Search, error: RotationError) -> None:
        known = search.failure is not None and search.failure.code is error.code
        search.failure = error
        if not known:
            self._journal.event(
                "discover.failed",
                discover=place,
                error=error.code.text,
                detail=error.detail,
                retryable=error.code.retryable,
                credentials=len(search.names),
                cure=error.code.cure,
            )

    def _tell_refused(self, place: str, search: Search, refused: Mapping[str, str]) -> None:
        news = {key: why for key, why in refused.items() if search.refused.get(key) != why}
        search.refused = dict(refused)
        for key, why in list(news.items())[:MOST_NAMED]:
            self._journal.event("discover.refused", discover=place, key=shown_key(key), detail=why, cure=CURE)


def shown_key(key: str) -> str:
    """A key as it may be told: anybody may have named it, and a secret may have been put there by mistake."""
    return "(not shown)" if looks_random(key) or not key.isprintable() else key


def _named(place: str, search: Search, keys: set[str]) -> tuple[dict[str, Found], dict[str, str]]:
    """What is new, by the names of credentials; and why there is none of a key, by key."""
    found: dict[str, Found] = {}
    refused: dict[str, str] = {}
    for key in sorted(keys - search.names.keys()):
        try:
            name = search.section.name_of(key)
        except UnusableKeyError as error:
            refused[key] = str(error)
            continue
        if name in found:
            refused[key] = f"another key makes a credential {name} as well"
        else:
            found[name] = Found(place, search.section, key)
    return found, refused
