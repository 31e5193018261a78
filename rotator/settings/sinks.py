"""The `sinks` of a credential: where consumers find its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, PrivateAttr, Tag, model_validator

from rotator.files.formats import FORMATS, RECORD_FIELDS
from rotator.files.options import OWNERS_WRITE, WORDS, FileSinkSettings, UnfitKeyError
from rotator.local.peers import Peers
from rotator.plugged import finding
from rotator.settings import plugging
from rotator.settings.hooks import Hooked
from rotator.settings.kubernetes import KubernetesSink
from rotator.settings.places import AbsolutePath, ModeBits, VaultPathText
from rotator.settings.plugging import OURS, THEIRS, Plugged
from rotator.settings.secrecy import looks_random
from rotator.settings.secret_files import UnsafeFileError, read_configuration
from rotator.settings.types import MONTH, Account, Choice, FieldName, Name, Seconds, Section, Text, refuse

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.files.template import Template  # noqa: TC004  pydantic does not look at what is private


def _known_fields(fields: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(fields.values()) - RECORD_FIELDS)
    if unknown:
        raise refuse(
            f"new names for fields among {', '.join(sorted(RECORD_FIELDS))}", 'fields = { token = "access_token" }'
        )
    if any(new in RECORD_FIELDS and new not in fields.values() for new in fields):
        raise refuse("new names that no other field has", "rename that field as well")
    return fields


Renamed = Annotated[dict[FieldName, FieldName], AfterValidator(_known_fields)]
Machine = Annotated[str, Text(WORDS["machine"], "the name of a host, without a port")]
Login = Annotated[str, Text(WORDS["login"], "a user name without spaces, quotes and colons")]
Registry = Annotated[str, Text(WORDS["registry"], "a registry as it stands in names of images")]


class _Sink(Hooked):
    consumer_interval: Annotated[float, Seconds(0.1, MONTH)] | None = Field(
        None, description="How often consumers re-read it; Vault Agent's default is 5m."
    )
    fields: Renamed = Field(default_factory=dict, description='New names: { token = "access_token" }.')


class VaultSink(_Sink):
    """A KV path."""

    type: Literal["vault"] = Field(description="A path of a KV secrets engine.")
    path: VaultPathText = Field(description="As `vault kv get` takes it.")
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")


class FileSink(_Sink):
    """A file."""

    type: Literal["file"] = Field(description="A file.")
    path: AbsolutePath = Field(description="Absolute.")
    format: Annotated[
        Literal["raw", "json", "header", "env", "netrc", "kubectl-exec", "dockerconfigjson", "template"],
        Choice(tuple(FORMATS)),
    ] = Field(
        "raw",
        description=(
            "raw: the token; json: the record; header: Authorization: Bearer …; env: NAME_ACCESS_TOKEN=…; netrc: for "
            "curl and git; kubectl-exec: for a kubeconfig; dockerconfigjson: for registries; template: as you write it."
        ),
    )
    mode: ModeBits = Field("0600", validate_default=True, description='Permission bits, "0400" to "0640".')
    owner: Account | None = Field(None, description="User; rotator's own when left out.")
    group: Account | None = Field(None, description="Group; the directory's choice when left out.")
    machine: Machine | None = Field(None, description="netrc: the host that the token is for.")
    login: Login | None = Field(None, description="netrc, dockerconfigjson: the user name beside the token.")
    registry: Registry | None = Field(None, description="dockerconfigjson: the registry that the token is for.")
    template_file: AbsolutePath | None = Field(None, description="template: a file with a part of Jinja2 in it.")
    in_place: bool = Field(
        False, description="Write into the file and keep its inode, for a bind mount of this one file."
    )
    _template: Template | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _fit(self) -> FileSink:
        if self.fields and self.format != "json":
            raise refuse('format = "json" where fields are renamed', "leave fields out, or write json", "fields")
        if self.in_place and not self.mode & OWNERS_WRITE:
            raise refuse('"0600" or "0640", where in_place writes into the file', "set one of them", "mode")
        if self.template_file is not None and self.format == "template":
            self._template = _read_template(self.template_file)
        elif self.template_file is not None:
            raise refuse('format = "template" where template_file is given', "leave one of them out", "template_file")
        try:
            self.options()
        except UnfitKeyError as error:
            raise refuse(error.wanted, error.cure, error.key) from None
        except ValueError as error:
            raise refuse("a file that can be replaced", str(error), "path") from None
        return self

    def options(self) -> FileSinkSettings:
        """The same as the files room wants it."""
        return FileSinkSettings(
            path=self.path,
            format=self.format,
            mode=self.mode,
            owner=self.owner,
            group=self.group,
            fields=self.fields,
            machine=self.machine or "",
            login=self.login or "",
            registry=self.registry or "",
            template=self._template,
            in_place=self.in_place,
        )


def _read_template(file: Path) -> Template:
    """The template in a file, which is held to the same as the configuration: it says what consumers get (G07)."""
    # Few configurations have one, and Jinja2 takes its time.
    from rotator.files.language import TemplateError  # noqa: PLC0415  see above
    from rotator.files.template import LARGEST_TEMPLATE, Template  # noqa: PLC0415  see above

    try:
        content, unsafe = read_configuration(file, LARGEST_TEMPLATE, "write it, or name the file that holds it")
        if unsafe is None:
            return Template(content.decode(), str(file))
        found, cure = str(unsafe), unsafe.cure
    except UnsafeFileError as error:
        found, cure = str(error), error.cure
    except UnicodeDecodeError:
        found, cure = "it holds bytes that are no UTF-8", "write it as text"
    except TemplateError as error:
        found, cure = " ".join(error.found.split()), " ".join(error.cure.split())
        if looks_random(found):
            found, cure = "it holds a word (not shown) in the place of a name", "write names that are known"
    # Not raised above: what was found there may carry along what the file holds.
    raise refuse(f"a template that can be used; this one: {found}", cure, "template_file")


class SocketSink(_Sink):
    """The socket for local consumers: GET /token/NAME, for those only whom the kernel knows as one of these."""

    type: Literal["socket"] = Field(description="The local socket: GET /token/NAME.")
    users: tuple[Account, ...] = Field((), description="Users that may ask, by name or number; not even root unasked.")
    groups: tuple[Account, ...] = Field((), description="Groups whose members may ask, by name or number.")

    @model_validator(mode="after")
    def _somebody(self) -> SocketSink:
        if not self.users and not self.groups:
            raise refuse("users, groups or both, who may ask for this token", 'users = ["app"]', "users")
        return self

    def peers(self) -> Peers:
        """Who may ask, as the local room wants it."""
        return Peers(self.users, self.groups)


def _one_socket(sinks: tuple[Section, ...]) -> tuple[Section, ...]:
    if sum(isinstance(sink, SocketSink) for sink in sinks) > 1:
        raise refuse("one sink of type socket for a credential", "put all users and groups into one of them")
    return sinks


KINDS = ("vault", "file", "kubernetes", "socket")


class PluginSink(Hooked):
    """A kind of an installed package, with the keys that its documentation explains."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, plugging.no_builtin(KINDS)] = Field(description="The name of the package's entry point.")
    consumer_interval: Annotated[float, Seconds(0.1, MONTH)] | None = Field(
        None, description="How often consumers re-read it."
    )
    _plugged: Plugged = PrivateAttr()

    @model_validator(mode="after")
    def _known_to_its_package(self) -> PluginSink:
        self._plugged = plugging.take(finding.SINKS, self.type, self.__pydantic_extra__)
        return self

    @property
    def plugged(self) -> Plugged:
        """The kind, and what it says of the keys."""
        return self._plugged


Sink = Annotated[
    Annotated[VaultSink | FileSink | KubernetesSink | SocketSink, Discriminator("type"), Tag(OURS)]
    | Annotated[PluginSink, Tag(THEIRS)],
    Discriminator(plugging.whose(KINDS)),
    plugging.Kind(KINDS, key="type", group=finding.SINKS),
]
Sinks = Annotated[tuple[Sink, ...], Field(min_length=1), AfterValidator(_one_socket)]
