"""From a file and the environment to settings, or to a list of everything that has to be mended."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rotator.plugged import finding
from rotator.settings import crosscheck, environment, filling, held, packages, parts, quotas, secrecy, secret_files
from rotator.settings.model import Settings
from rotator.settings.problems import ConfigError, Finding
from rotator.settings.report import Report
from rotator.settings.types import mapping_of
from rotator.vault.logins.kubernetes import SERVICE_ACCOUNT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rotator.settings.problems import Problem

READERS = {"cert_file": secret_files.read_certificate, "key_file": secret_files.read_key}
"""How the files of a login are read that hold something else than a secret of one line, by their keys."""

USUAL_FILES = {"kubernetes": {"jwt_file": str(SERVICE_ACCOUNT_TOKEN)}}
"""What stands for keys that a login leaves out, by its method."""

_YES = frozenset({"true", "t", "yes", "y", "on", "1"})
"""As pydantic reads a boolean that the environment writes as text."""


@dataclass(frozen=True)
class Loaded:
    """A configuration that can be used.

    Attributes:
        file: Where it came from.
        settings: What it says.
        secret_files: Where the secret files that it names are, by the name it gives them.
        warnings: What should be mended although it works.
    """

    file: Path
    settings: Settings
    secret_files: Mapping[Path, Path]
    warnings: tuple[Problem, ...]


def load(file: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration.

    Args:
        file: TOML; with its parts beside it, see `rotator.settings.parts`.
        environ: The environment; `ROTATOR_…` outweighs the file.

    Raises:
        ConfigError: It cannot be used; holds every problem that was found.
    """
    read = parts.read(file)
    table, origins = environment.overlay(read.table, environ)
    report = Report(table, read, origins)
    finding.look_again()
    literals = list(secrecy.literals(table))
    files = _secret_files(table, file, environ)
    problems = [report.literal(path) for path in literals]
    filled = filling.fill(table)
    found = chain(_unusable(table, files, environ), crosscheck.clashes(table), filled.findings)
    problems += map(report.finding, found)
    problems += read.problems
    try:
        settings = Settings(**filled.table)
        checks = (crosscheck.contradictions(settings), held.contradictions(settings, environ))
        problems += map(report.finding, chain(*checks, packages.contradictions(settings)))
    except ValidationError as error:
        problems += report.refusals(error, literals, filled.unfilled)
        settings = None
    # Not raised above: even `from None` would carry pydantic's exception along, as its context, and with it the values.
    if settings is None or problems:
        raise ConfigError(str(file), _sorted(problems))
    warnings = map(report.finding, chain(crosscheck.warnings(settings), quotas.warnings(settings)))
    return Loaded(file, settings, files, tuple(warnings))


def _secret_files(table: Mapping[str, Any], file: Path, environ: Mapping[str, str]) -> dict[Path, Path]:
    """Where the secret files are, by the names that the configuration gives them."""
    names = [Path(name) for _, name in _references(table) if "\0" not in name]
    return {name: secret_files.find(name, file.absolute().parent, environ) for name in names}


def _references(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where the configuration names files with secrets, and the names."""
    for login in _logins(table):
        auth = mapping_of(_at(table, login))
        keys = {**USUAL_FILES.get(str(auth.get("method")), {}), **auth}
        yield from (
            ((*login, key), name) for key, name in keys.items() if key.endswith("_file") and isinstance(name, str)
        )
    bearer = _at(table, ("http", "token_file"))
    if isinstance(bearer, str):
        yield ("http", "token_file"), bearer


def _logins(table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where the logins to Vault stand."""
    yield "vault", "auth"
    yield from (("vaults", name, "auth") for name in mapping_of(table.get("vaults")))


def _at(table: Mapping[str, Any], place: Sequence[str]) -> object:
    """What stands in the table at a place; None for nothing."""
    *above, key = place
    for name in above:
        table = mapping_of(table.get(name))
    return table.get(key)


def _unusable(table: Mapping[str, Any], files: Mapping[Path, Path], environ: Mapping[str, str]) -> Iterator[Finding]:
    """The references to secrets that lead to none, or to one that is not safe."""
    shared = str(mapping_of(table.get("security")).get("allow_shared_secret_files")).lower() in _YES
    for place, named in _references(table):
        if Path(named) in files:
            try:
                READERS.get(place[-1], secret_files.read_secret)(files[Path(named)], shared=shared)
            except secret_files.UnsafeFileError as error:
                wanted = "a file that holds the secret and is closed to others"
                yield Finding(place, str(error), wanted, error.cure)
    for login in _logins(table):
        place = (*login, "token_env")
        variable = _at(table, place)
        if isinstance(variable, str) and not environ.get(variable):
            wanted = "an environment variable that holds the token"
            yield Finding(place, "no such variable", wanted, "set it, or use token_file")


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    """In the order of the files, each once."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0, problem.key))
