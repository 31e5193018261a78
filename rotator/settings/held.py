"""What a source is known to hold, against what the credential needs, and whether it may be kept there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.document import CLIENT_ID
from rotator.settings import asked
from rotator.settings.model import described
from rotator.settings.problems import Finding
from rotator.settings.sources import EnvironmentSource, PublicSource, SystemdSource
from rotator.settings.types import any_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rotator.settings.credential import Credential
    from rotator.settings.locate import Path
    from rotator.settings.model import Settings


def contradictions(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What makes a source one that the credential cannot use, as far as that is known without looking into it.

    Args:
        settings: The configuration.
        environ: The environment.
    """
    for place, credential in described(settings):
        yield from _too_little(settings, place, credential)
        source = credential.source
        if isinstance(source, EnvironmentSource):
            yield from _seen_by_others(settings, place)
            yield from _unset(source, place, environ)


def _too_little(settings: Settings, place: Path, credential: Credential) -> Iterator[Finding]:
    """The source holds nothing that the client's proof, or the grant, needs."""
    source, provider = credential.source, settings.providers.get(credential.provider)
    held = source.holds()
    if held is None or provider is None:
        return
    wanted = asked.wanted(provider, credential, {})
    lacking = [field for field in wanted.fields() if field not in held]
    if not lacking:
        return
    method = asked.method(provider, credential)
    why = f'client_auth = "{method}"' if wanted.proof in lacking else f'client_auth = "{method}" or the grant'
    yield Finding(
        (*place, "source"),
        f'type = "{source.type}" with {" and ".join(sorted(held))} alone',
        f"also {' and '.join(lacking)}, which {why if lacking != [CLIENT_ID] else 'every client'} needs",
        _more(source, lacking[0]),
    )


def _more(source: object, field: str) -> str:
    if isinstance(source, PublicSource):
        return 'client_auth = "none" for a client without a secret; else a source of another type'
    key, example = ("variables", f"THX_{field.upper()}")
    if isinstance(source, SystemdSource):
        key, example = "credentials", f"thx-{field.replace('_', '-')}"
    also = ", or write client_id into source" if field == CLIENT_ID else ""
    return f'add it to source.{key}, such as {field} = "{example}"{also}'


def _seen_by_others(settings: Settings, place: Path) -> Iterator[Finding]:
    if not settings.security.allow_environment_secrets:
        others = any_of(('"file"', '"systemd"', '"vault"'))
        yield Finding(
            (*place, "source", "type"),
            '"environment"',
            f"{others}: what is in the environment is seen by every child, in crash reports and by who starts rotator",
            "use one of these, or set allow_environment_secrets = true in [security]",
        )


def _unset(source: EnvironmentSource, place: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Nobody can set them any more for a process that runs, so it is told now. A name may be a secret put there."""
    for field, variable in source.variables.items():
        if not environ.get(variable):
            yield Finding(
                (*place, "source", "variables", field),
                "no such variable",
                "an environment variable that is set, and not empty",
                "set it where rotator is started, and start it anew",
            )
