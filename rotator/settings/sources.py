"""The `source` of a credential: where its client credentials are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, PrivateAttr, Tag, model_validator

from rotator.core.document import CLIENT_ID, FIELDS
from rotator.plugged import finding
from rotator.settings import plugging
from rotator.settings.places import AbsolutePath, VaultPathText
from rotator.settings.plugging import OURS, THEIRS, Plugged
from rotator.settings.types import FieldName, Name, Section, Text, Variable, any_of, refuse

if TYPE_CHECKING:
    from collections.abc import Callable


def _for_fields(example: str) -> Callable[[dict[str, str]], dict[str, str]]:
    def check(names: dict[str, str]) -> dict[str, str]:
        known = (*FIELDS, *finding.fields())
        if not names.keys() <= set(known):
            raise refuse(f"names for {any_of(known)}", example)
        return names

    return check


Renamed = Annotated[dict[str, FieldName], AfterValidator(_for_fields('fields = { client_secret = "your_name_of_it" }'))]
YOUR_NAMES = "Your names of client_id, client_secret and others, where they differ."

ClientId = Annotated[
    str, Text(r"[ -~]{1,4096}", "the name of a client, in printable ASCII characters (RFC 6749 appendix A.1)")
]
NOT_KEPT_THERE = "Of the client, where the source does not hold it."

CredentialName = Annotated[
    str,
    Text(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}", "the name of a credential, as LoadCredential= has it", hidden=True),
]


class _Source(Section):
    def holds(self) -> frozenset[str] | None:
        """The fields that it is known to hold; None where only the document tells."""
        return None


class VaultSource(_Source):
    """Client credentials in Vault."""

    type: Literal["vault"] = Field(description="A path of a KV secrets engine.")
    path: VaultPathText = Field(description="As `vault kv get` takes it.")
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")
    fields: Renamed = Field(default_factory=dict, description=YOUR_NAMES)


class VaultPathSource(_Source):
    """Client credentials in another secrets engine of Vault, which may make new ones for each read and lease them."""

    type: Literal["vault_path"] = Field(description="A path of another secrets engine; one read serves for its lease.")
    path: VaultPathText = Field(description="As `vault read` takes it.")
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")
    client_id: ClientId | None = Field(None, description=NOT_KEPT_THERE)
    fields: Renamed = Field(default_factory=dict, description=YOUR_NAMES)


class FileSource(_Source):
    """Client credentials in files."""

    type: Literal["file"] = Field(description="A JSON object, or a directory with a file for each field.")
    path: AbsolutePath = Field(description="Absolute; of the file or of the directory.")
    client_id: ClientId | None = Field(None, description=NOT_KEPT_THERE)
    fields: Renamed = Field(default_factory=dict, description=YOUR_NAMES)


class SystemdSource(_Source):
    """Client credentials that systemd hands over (LoadCredential=, LoadCredentialEncrypted=, SetCredential=)."""

    type: Literal["systemd"] = Field(description="Credentials of the service.")
    name: CredentialName | None = Field(None, description="The one that holds a JSON object.")
    credentials: Annotated[
        dict[str, CredentialName], AfterValidator(_for_fields('credentials = { client_secret = "thx-secret" }'))
    ] = Field(default_factory=dict, description="Or the one that holds each field.")
    client_id: ClientId | None = Field(None, description=NOT_KEPT_THERE)
    fields: Renamed = Field(default_factory=dict, description=f"{YOUR_NAMES} Of a JSON object.")

    @model_validator(mode="after")
    def _one_way(self) -> SystemdSource:
        if (self.name is None) is not bool(self.credentials):
            raise refuse(
                "either name or credentials",
                'name = "thx" where one credential holds a JSON object, credentials = { client_secret = "thx-secret" } '
                "where each field has its own",
            )
        if self.fields and self.credentials:
            raise refuse("no fields beside credentials", "leave it out: credentials names them", "fields")
        return self

    def holds(self) -> frozenset[str] | None:
        """See `_Source`."""
        return _named(self.credentials, self.client_id) if self.credentials else None


class EnvironmentSource(_Source):
    """Client credentials in environment variables."""

    type: Literal["environment"] = Field(
        description="Variables; only with security.allow_environment_secrets, for the environment is easily seen."
    )
    variables: Annotated[
        dict[str, Variable], Field(min_length=1), AfterValidator(_for_fields('variables = { client_secret = "THX" }'))
    ] = Field(description="The one that holds each field.")
    client_id: ClientId | None = Field(None, description=NOT_KEPT_THERE)

    def holds(self) -> frozenset[str] | None:
        """See `_Source`."""
        return _named(self.variables, self.client_id)


class PublicSource(_Source):
    """A client without a secret, or one whose key is kept elsewhere."""

    type: Literal["public"] = Field(description="A client that is known by its name alone.")
    client_id: ClientId = Field(description="Of the client.")

    def holds(self) -> frozenset[str] | None:
        """See `_Source`."""
        return frozenset({CLIENT_ID})


def _named(fields: dict[str, str], client_id: str | None) -> frozenset[str]:
    return frozenset(fields) | ({CLIENT_ID} if client_id is not None else set())


KINDS = ("vault", "vault_path", "file", "systemd", "environment", "public")


class PluginSource(_Source):
    """A kind of an installed package, with the keys that its documentation explains."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, plugging.no_builtin(KINDS)] = Field(description="The name of the package's entry point.")
    fields: Renamed = Field(default_factory=dict, description=YOUR_NAMES)
    _plugged: Plugged = PrivateAttr()

    @model_validator(mode="after")
    def _known_to_its_package(self) -> PluginSource:
        self._plugged = plugging.take(finding.SOURCES, self.type, self.__pydantic_extra__)
        return self

    @property
    def plugged(self) -> Plugged:
        """The kind, and what it says of the keys."""
        return self._plugged


Source = Annotated[
    Annotated[
        VaultSource | VaultPathSource | FileSource | SystemdSource | EnvironmentSource | PublicSource,
        Discriminator("type"),
        Tag(OURS),
    ]
    | Annotated[PluginSource, Tag(THEIRS)],
    Discriminator(plugging.whose(KINDS)),
    plugging.Kind(KINDS, key="type", group=finding.SOURCES),
]
