"""[discover.NAME]: every key below a path of Vault is a credential, made from one template.

Who may write below that path chooses the names of keys, and they get into paths of files and of Vault. So a key counts
only if it is made of letters, digits, dots, dashes and underscores, with no dot at an end of a segment, and if all that
is made of it passes the checks that a table [credentials.NAME] has to pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator

from rotator.settings.credential import Credential, Defaults
from rotator.settings.sinks import Sinks
from rotator.settings.sources import YOUR_NAMES, Renamed
from rotator.settings.types import DAY, NAME, REFUSED, Name, Seconds, Section, Text, _Read, refuse
from rotator.vault.mounts import check_path

KEY = "{key}"
"""What stands for a key in the template."""

SAMPLE = "key"
"""The key that the template is tried with."""

LONGEST = 255
"""Characters of a key."""

_SEGMENT = r"[A-Za-z0-9_-](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?"
_USABLE = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")

_OWN = frozenset({"interval", "name"})
"""Keys of such a table that a credential does not have."""


class UnusableKeyError(Exception):
    """A key of which no credential can be made. Its text says why, and never repeats the key."""


class _Below(_Read):
    """All keys of a path: `secret/apps/*`; with those below them: `secret/apps/**`."""

    def read(self, value: Any) -> str:
        """The path, with its stars."""
        below, _, stars = value.rpartition("/") if isinstance(value, str) else ("", "", "")
        try:
            check_path(f"{below}/{SAMPLE}")
        except ValueError:
            stars = ""
        if stars not in {"*", "**"}:
            raise refuse(
                'a path with a star for its keys, "secret/apps/*", or with two for those at any depth, "secret/apps/**"'
            )
        return str(value)

    def describe(self, schema: dict[str, Any]) -> dict[str, Any]:
        """See `_Read`."""
        return {**schema, "pattern": r"^.+/\*\*?$"}


class DiscoverSource(Section):
    """Keys of a KV secrets engine."""

    type: Literal["vault"] = Field(description="A path of a KV secrets engine.")
    path: Annotated[str, _Below()] = Field(
        description='Its keys are meant, "secret/apps/*", or all at any depth, "secret/apps/**".'
    )
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")
    fields: Renamed = Field(default_factory=dict, description=YOUR_NAMES)

    @property
    def below(self) -> str:
        """The path whose keys are meant."""
        return self.path.rpartition("/")[0]

    @property
    def at_any_depth(self) -> bool:
        """Whether keys of keys are meant as well."""
        return self.path.endswith("**")


class Discover(Defaults):
    """Credentials that are found in Vault: a template with {key} for each key."""

    provider: Name = Field(description="Name of its table in providers.")
    source: DiscoverSource = Field(  # type: ignore[assignment]  # of a credential there is one only with a key
        description="Where the keys are, each with the client credentials of one application."
    )
    sinks: Sinks = Field(description="Where consumers find the tokens; each with {key} in its path or name.")
    name: Annotated[str, Text(r"[a-z0-9._-]*\{key\}[a-z0-9._-]*", 'a name with {key} in it, such as "apps.{key}"')] = (
        Field(KEY, description="What the credentials are called; a key in lower case, with dots for slashes.")
    )
    interval: Annotated[float, Seconds(1, DAY)] = Field(
        "60s", validate_default=True, description="Between two looks for keys."
    )
    _template: dict[str, Any] = PrivateAttr()
    _sample: Credential = PrivateAttr()

    @model_validator(mode="wrap")
    @classmethod
    def _by_sample(cls, table: Any, handler: ModelWrapValidatorHandler[Discover]) -> Discover:
        """What is made of the template is what the checks are for, so they see it with a key filled in."""
        if not isinstance(table, dict):
            return handler(table)
        made = handler({**table, "sinks": _filled(table.get("sinks"), SAMPLE)})
        made._template = {key: value for key, value in table.items() if key not in _OWN}  # noqa: SLF001  its own
        made._sample = made.credential(SAMPLE)  # noqa: SLF001  likewise
        return made

    @property
    def sample(self) -> Credential:
        """The credential of a key that may not be there: what can be told without looking into Vault."""
        return self._sample

    def credential(self, key: str) -> Credential:
        """The credential of a key.

        Raises:
            UnusableKeyError: None can be made of it.
        """
        if len(key) > LONGEST or _USABLE.fullmatch(key) is None:
            raise UnusableKeyError(
                f"it is not made of at most {LONGEST} letters, digits, dots, dashes and underscores, with no dot at an "
                "end of a segment"
            )
        source = {**self._template["source"], "path": f"{self.source.below}/{key}"}
        try:
            return Credential(**{**self._template, "source": source, "sinks": _filled(self._template["sinks"], key)})
        except ValidationError as error:
            told = _told(error)
        # Not raised above: even `from None` would carry pydantic's exception along, as its context.
        raise UnusableKeyError(told)

    def name_of(self, key: str) -> str:
        """What the credential of a key is called.

        Raises:
            UnusableKeyError: That is no name.
        """
        name = self.name.replace(KEY, key.lower().replace("/", "."))
        if re.fullmatch(NAME, name) is None:
            raise UnusableKeyError("the name made of it has more than 63 characters, or begins with a dash")
        return name


@dataclass(frozen=True, slots=True)
class Found:
    """A key that was found, for a credential to be made of.

    Attributes:
        place: Name of the table in discover.
        section: That table.
        key: Below its path.
    """

    place: str
    section: Discover
    key: str

    @property
    def sample(self) -> Credential:
        """See `Discover.sample`."""
        return self.section.sample

    def credential(self) -> Credential:
        """See `Discover.credential`."""
        return self.section.credential(self.key)

    def is_called(self, name: str) -> bool:
        """Whether this is the name of its credential."""
        try:
            return self.section.name_of(self.key) == name
        except UnusableKeyError:
            return False


def _filled(template: Any, key: str) -> Any:
    """A part of the template with a key in the place of `{key}`."""
    if isinstance(template, dict):
        return {name: _filled(value, key) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, key) for value in template]
    return template.replace(KEY, key) if isinstance(template, str) else template


def _told(error: ValidationError) -> str:
    """What is wrong, at which key of the table, without the value."""
    found = error.errors(include_input=False, include_context=False, include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    wanted = found["msg"].partition("\n")[0] if found["type"] == REFUSED else "a value that can be used"
    return f"{place} would not be {wanted}"
