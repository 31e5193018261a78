"""What no single key shows: names that must exist, places that must differ, consumers that read too seldom."""

from __future__ import annotations

import math
import posixpath
from typing import TYPE_CHECKING, Any, TypeAlias

from rotator.core.model import EARLIEST_RENEWAL
from rotator.oauth.grants import GRANTS
from rotator.settings import templates
from rotator.settings.model import CREDENTIALS, described, with_defaults
from rotator.settings.problems import Finding, dotted
from rotator.settings.secrecy import kind, shown
from rotator.settings.sinks import KINDS as SINK_KINDS
from rotator.settings.sources import KINDS as SOURCE_KINDS
from rotator.settings.types import any_of, listed, mapping_of, nearest, spell
from rotator.settings.verify import endpoints_missing, revoked_early

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rotator.settings.credential import Credential
    from rotator.settings.locate import Path
    from rotator.settings.model import Settings

Sections: TypeAlias = "Mapping[tuple[str, str], Mapping[str, Any]]"
"""What describes credentials, by its place: ("credentials", NAME), or ("discover", NAME)."""

USUAL_LIFETIME = 600.0
"""Seconds; what is reckoned with where the configuration assumes no lifetime."""


ROUNDING = 1e-6
"""Seconds; 600 · (1 - 0.8) is a little less than 120."""


def clashes(table: Mapping[str, Any]) -> Iterator[Finding]:
    """What clashes, told from the table itself, so that it is found also where other keys are wrong."""
    laid = with_defaults(table)
    sections = {
        (kind, name): section
        for kind in CREDENTIALS
        for name, section in mapping_of(laid.get(kind)).items()
        if isinstance(section, dict)
    }
    if not table.get("providers"):
        yield Finding(
            ("providers",), "no provider", "at least one table [providers.NAME]", 'add one with token_url = "https://…"'
        )
    if not any(table.get(kind) for kind in CREDENTIALS):
        yield Finding(
            ("credentials",),
            "no credential",
            "at least one table [credentials.NAME]",
            "say what to keep fresh; config.example.toml has one to copy",
        )
    yield from _unknown_providers(mapping_of(table.get("providers")), sections)
    yield from _shared_places(sections)
    yield from templates.faults(sections)
    yield from _unknown_vaults(table, mapping_of(table.get("vaults")))


def contradictions(settings: Settings) -> Iterator[Finding]:
    """What makes a configuration unusable whose keys are all right."""
    for place, credential in described(settings):
        yield from _too_seldom(settings, place, credential)
        yield from _no_login(place, credential)
        provider = settings.providers.get(credential.provider)
        yield from (Finding(*one) for one in endpoints_missing(place, credential, provider))


def warnings(settings: Settings) -> Iterator[Finding]:
    """What works, but not as well as it should."""
    for place, credential in described(settings):
        life, lead = _life_and_lead(settings, credential)
        most = spell(round(life * (1 - EARLIEST_RENEWAL), 3))
        for index, sink in enumerate(credential.sinks):
            interval = sink.consumer_interval
            if interval is not None and lead + ROUNDING < interval < life:
                late = spell(round(interval - lead, 3))
                yield Finding(
                    (*place, "sinks", index, "consumer_interval"),
                    f"{spell(interval)}, but a new token is there {spell(round(lead, 3))} before the old one ends: "
                    f"a consumer may hold an expired one for up to {late}",
                    f"at most {most} at a life of {spell(life)}",
                    "let consumers re-read more often" + _earlier(interval, life),
                )
        if credential.renew_at < EARLIEST_RENEWAL:
            yield Finding(
                (*place, "renew_at"),
                f"{credential.renew_at:g}",
                f"{EARLIEST_RENEWAL:g} or more: a lead of more than half the lifetime is clamped",
                f"renew_at = {EARLIEST_RENEWAL:g}",
            )
        if all(sink.type == "socket" for sink in credential.sinks):
            yield Finding(
                (*place, "sinks"),
                "the local socket alone, which holds tokens in memory: each restart mints one, and so does each "
                "`rotator rotate`, for nobody",
                "a sink that keeps the token as well",
                "add a file or a Vault path",
            )
        yield from (Finding(*one) for one in revoked_early(place, credential))


def _earlier(interval: float, life: float) -> str:
    """The renew_at that serves such a consumer, if there is one."""
    latest = math.floor((1 - interval / life) * 100) / 100
    return f", or set renew_at = {latest:g} or less" if latest >= EARLIEST_RENEWAL else ""


def _life_and_lead(settings: Settings, credential: Credential) -> tuple[float, float]:
    provider = settings.providers.get(credential.provider)
    assumed = provider.assumed_lifetime if provider is not None else None
    longest = provider.max_lifetime if provider is not None else USUAL_LIFETIME
    life = min(assumed or USUAL_LIFETIME, longest)
    return life, life * (1 - max(credential.renew_at, EARLIEST_RENEWAL))


def _too_seldom(settings: Settings, place: Path, credential: Credential) -> Iterator[Finding]:
    life, _ = _life_and_lead(settings, credential)
    for index, sink in enumerate(credential.sinks):
        if sink.consumer_interval is not None and sink.consumer_interval >= life:
            yield Finding(
                (*place, "sinks", index, "consumer_interval"),
                spell(sink.consumer_interval),
                f"less than the token's life, reckoned as {spell(life)}: no schedule can serve such a consumer",
                "let consumers re-read more often; if tokens live longer, say so in the provider's assumed_lifetime",
            )


def _no_login(place: Path, credential: Credential) -> Iterator[Finding]:
    """A grant that a person has to start needs a place for what comes of it, and no other grant has one."""
    started = GRANTS[credential.grant].rotates
    if place[0] == "discover":
        return  # a template may have neither: `rotator.settings.templates`
    if started and credential.login is None:
        yield Finding(
            (*place, "login"),
            "nothing",
            f"where the refresh token is kept, for grant = {credential.grant!r}".replace("'", '"'),
            f'login = {{ path = "secret/logins/{place[-1]}" }}; then `rotator login {place[-1]}`',
        )
    if not started and credential.login is not None:
        starting = tuple(grant for grant, kind in GRANTS.items() if kind.rotates)
        yield Finding(
            (*place, "login"),
            "a table",
            f"none, for grant = {credential.grant!r}".replace("'", '"'),
            f"leave it out, or set grant to {any_of(starting)}",
        )


def _unknown_providers(providers: Mapping[str, Any], sections: Sections) -> Iterator[Finding]:
    for place, credential in sections.items():
        provider = credential.get("provider")
        if isinstance(provider, str) and provider not in providers:
            near = nearest(provider, providers)
            yield Finding(
                (*place, "provider"),
                shown(provider) if near else kind(provider),
                f"the name of a table in providers; there are: {listed(providers)}",
                f"did you mean {near}?" if near else "add a table [providers.NAME] for it, or name another one",
            )


def _unknown_vaults(table: Mapping[str, Any], vaults: Mapping[str, Any]) -> Iterator[Finding]:
    """Names of further Vaults that no table has, wherever a source, a sink or a signing key gives one."""
    tables = (
        ("defaults",),
        *((kind, name) for kind in ("providers", *CREDENTIALS) for name in mapping_of(table.get(kind))),
    )
    for place in tables:
        below = _below(table, place)
        parts: list[Path] = [(*place, key) for key in ("source", "assertion", "login", "subject")]
        listed_sinks = below.get("sinks")
        parts += [
            (*place, "sinks", index) for index, _ in enumerate(listed_sinks if isinstance(listed_sinks, list) else ())
        ]
        for part in parts:
            section = _below(table, part)
            ours = section.get("type", "vault") in (*SINK_KINDS, *SOURCE_KINDS)
            name = section.get("vault") if ours else None
            if isinstance(name, str) and name not in vaults:
                near = nearest(name, vaults)
                yield Finding(
                    (*part, "vault"),
                    shown(name) if near else kind(name),
                    f"the name of a table in vaults; there are: {listed(vaults)}",
                    f"did you mean {near}?"
                    if near
                    else "add a table [vaults.NAME] for it, or leave it out for [vault]",
                )


def _below(table: Any, path: Path) -> Mapping[str, Any]:
    for part in path:
        table = table[part] if isinstance(part, int) else mapping_of(table).get(part)
    return mapping_of(table)


def _shared_places(sections: Sections) -> Iterator[Finding]:
    sources = {_place(mapping_of(section.get("source"))): place[-1] for place, section in sections.items()}
    taken: dict[tuple[str, str, str], Path] = {}
    for path, sink in _sinks(sections):
        place = _place(sink)
        if place is None:
            continue
        secrets = sources.get(place) or sources.get(_around(place) or place)
        if secrets is not None:
            yield Finding(
                path,
                shown(place[2]),
                f"a path that holds no client credentials; those of {secrets} are there",
                "name another path: the token would take the place of the secret",
            )
        if place in taken:
            yield Finding(
                path,
                shown(place[2]),
                f"a place of its own; {dotted(taken[place][:-1])} delivers there",
                "name another path: one token would be written over the other",
            )
        taken.setdefault(place, path)


def _sinks(sections: Sections) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for place, section in sections.items():
        sinks = section.get("sinks")
        for index, sink in enumerate(sinks if isinstance(sinks, list) else ()):
            key = "name" if mapping_of(sink).get("type") == "kubernetes" else "path"
            yield (*place, "sinks", index, key), mapping_of(sink)


def _around(place: tuple[str, str, str]) -> tuple[str, str, str] | None:
    """The directory of a file: a source may have a file in it for each field."""
    kind, server, path = place
    return (kind, server, posixpath.dirname(path)) if kind == "file" else None


def _place(table: Mapping[str, Any]) -> tuple[str, str, str] | None:
    kind, path, vault = table.get("type"), table.get("path"), table.get("vault", "")
    if kind == "kubernetes":
        return kind, str(table.get("api_server", "")), f"{table.get('namespace', '')}/{table.get('name', '')}"
    if kind not in SINK_KINDS or not isinstance(path, str):
        return None  # where the sinks of a package are, it says itself: `rotator.settings.packages`
    return kind, str(vault), posixpath.normpath(path) if kind == "file" else path.strip("/")
