"""From a file and the environment to settings, or to a list of everything that has to be mended."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from rotator.settings import crosscheck, locate, secrecy, secret_files
from rotator.settings.model import Settings, schema
from rotator.settings.problems import ConfigError, Problem, dotted
from rotator.settings.types import REFUSED, mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic_settings import PydanticBaseSettingsSource

FILLS = {
    "address": ("VAULT_ADDR", "BAO_ADDR"),
    "namespace": ("VAULT_NAMESPACE", "BAO_NAMESPACE"),
    "ca_file": ("VAULT_CACERT", "BAO_CACERT"),
}
"""Keys of [vault] that the environment of the vault command fills where the file leaves them out."""


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
        file: TOML.
        environ: The environment; `ROTATOR_…` outweighs the file.

    Raises:
        ConfigError: It cannot be used; holds every problem that was found.
    """
    text = _read(file)
    table = _parse(file, text)
    lines = locate.lines(text)
    report = _Report(lines, table)
    literals = [report.literal(path) for path in secrecy.literals(table)]
    _fill(table, environ)
    try:
        settings = _bound(environ)(**table)
    except SettingsError:
        # Its cause holds the variable's whole value.
        said, wanted = "a ROTATOR_… variable for a whole table (its value is not shown)", "a table written as JSON"
        cure = "set single keys instead, such as ROTATOR_VAULT__ADDRESS"
        raise ConfigError(str(file), [*literals, Problem("", None, said, wanted, cure)]) from None
    except ValidationError as error:
        at_literals = {problem.key for problem in literals}
        found = [report.refusal(details) for details in error.errors(include_input=False, include_url=False)]
        raise ConfigError(
            str(file), _sorted([*literals, *(problem for problem in found if problem.key not in at_literals)])
        ) from None
    named, unsafe = _secret_files(settings, file, environ)
    problems = [*literals, *map(report.finding, crosscheck.contradictions(settings)), *map(report.finding, unsafe)]
    if problems:
        raise ConfigError(str(file), _sorted(problems))
    return Loaded(file, settings, named, tuple(map(report.finding, crosscheck.warnings(settings))))


def _read(file: Path) -> str:
    try:
        secret_files.check_configuration(file)
        return file.read_bytes().decode("utf-8")
    except secret_files.UnsafeFileError as error:
        wanted = "a configuration file that only its owner can change"
        raise ConfigError(str(file), [Problem("", None, str(error), wanted, error.cure)]) from None
    except UnicodeDecodeError as error:
        found = f"bytes that are not UTF-8, from byte {error.start} on"
        raise ConfigError(str(file), [Problem("", None, found, "TOML in UTF-8")]) from None


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The message of tomllib names at most a key or a character; the position is told at its end.
        said, _, place = str(error).rpartition(" (at ")
        line = place.removeprefix("line ").partition(",")[0]
        again = "verwrite" in said or "twice" in said
        cure = "each key and each table once; lists of tables are written [[…]]" if again else ""
        found = "the same key or table twice" if again else "what is no TOML"
        problem = Problem("", int(line) if line.isdigit() else None, f"{found} ({place.rstrip(')')})", "TOML 1.0", cure)
        raise ConfigError(str(file), [problem]) from None
    except RecursionError:
        raise ConfigError(str(file), [Problem("", None, "tables nested too deeply", "TOML 1.0")]) from None


def _fill(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    vault = table.setdefault("vault", {})
    if not isinstance(vault, dict):
        return
    for key, names in FILLS.items():
        value = next((environ[name] for name in names if environ.get(name)), None)
        if value is not None:
            vault.setdefault(key, value)


def _bound(environ: Mapping[str, str]) -> type[Settings]:
    """The settings model, reading this environment and not the process's."""

    class Environment(EnvSettingsSource):
        def _load_env_vars(self) -> Mapping[str, str | None]:
            return {name.lower(): value for name, value in environ.items()}

    class Bound(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[Any], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return Environment(settings_cls), init_settings

    return Bound


def _secret_files(
    settings: Settings, file: Path, environ: Mapping[str, str]
) -> tuple[dict[Path, Path], list[crosscheck.Finding]]:
    found: dict[Path, Path] = {}
    unsafe: list[crosscheck.Finding] = []
    for key in ("token_file", "role_id_file", "secret_id_file"):
        name = getattr(settings.vault.auth, key, None)
        if name is None:
            continue
        found[name] = secret_files.find(name, file.absolute().parent, environ)
        try:
            secret_files.check_secret(found[name], shared=settings.security.allow_shared_secret_files)
        except secret_files.UnsafeFileError as error:
            wanted = "a file that holds the secret and is closed to others"
            unsafe.append(crosscheck.Finding(("vault", "auth", key), str(error), wanted, error.cure))
    return found, unsafe


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.key))


class _Report:
    """Makes problems out of what was found, with lines and without secrets."""

    def __init__(self, lines: dict[locate.Path, int], table: dict[str, Any]) -> None:
        self._lines = lines
        self._table = table

    def finding(self, finding: crosscheck.Finding) -> Problem:
        return self._problem(finding.path, finding.found, finding.wanted, finding.cure)

    def literal(self, path: locate.Path) -> Problem:
        return self._problem(
            path,
            "a secret in the configuration itself (not shown)",
            "no secret here",
            secrecy.literal_cure(str(path[-1])),
        )

    def refusal(self, details: Mapping[str, Any]) -> Problem:
        path = self._path(details["loc"])
        kind = details["type"]
        if kind == REFUSED:
            wanted, cure, under = str(details["msg"]).split("\n")
            path = (*path, under) if under else path
            return self._problem(path, self._shown(path), wanted, cure)
        if kind == "missing":
            return self._problem(path, "nothing", "this key", f"add {path[-1]} = …")
        if kind == "extra_forbidden":
            return self._problem(path, "a key that is not known (its value is not shown)", *self._near(path))
        return self._problem(path, self._shown(path), str(details["msg"]))

    def _near(self, path: locate.Path) -> tuple[str, str]:
        near = difflib.get_close_matches(str(path[-1]), _known_keys(), n=1, cutoff=0.7)
        cure = f"did you mean {near[0]}?" if near else "leave it out; config.example.toml has every key"
        return "a key of this table", cure

    def _path(self, loc: tuple[str | int, ...]) -> locate.Path:
        """A location without what pydantic adds to it: the tags of unions, the names of key checks."""
        path: list[str | int] = []
        here: Any = self._table
        for index, part in enumerate(loc):
            last = index == len(loc) - 1
            known = part in here if isinstance(here, dict) else isinstance(part, int)
            if not known and (not last or part in {"[key]", *_TAGS}) and path:
                continue
            path.append(part)
            here = _below(here, part)
        if path[:1] == ["credentials"] and len(path) > 2 and path[2] not in mapping_of(_at(self._table, path[:2])):  # noqa: PLR2004
            defaults: list[str | int] = ["defaults", *path[2:]]
            return tuple(defaults) if _at(self._table, defaults[:2]) is not None else tuple(path)
        return tuple(path)

    def _shown(self, path: locate.Path) -> str:
        value = _at(self._table, list(path))
        if value is None:
            return ""
        key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        return secrecy.shown(value) if secrecy.may_show(key) else secrecy.kind(value)

    def _problem(self, path: locate.Path, found: str, wanted: str, cure: str = "") -> Problem:
        return Problem(dotted(path), locate.line_of(self._lines, path), found, wanted, cure)


_TAGS = frozenset({"token", "approle", "vault", "file"})


def _below(here: Any, part: str | int) -> Any:
    if isinstance(here, dict):
        return here.get(part)
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _at(table: Any, path: list[str | int]) -> Any:
    for part in path:
        table = _below(table, part)
    return table


def _known_keys() -> list[str]:
    document = schema()
    tables = [document, *document.get("$defs", {}).values()]
    return sorted({key for table in tables for key in table.get("properties", {})})
