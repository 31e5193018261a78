"""A Kubernetes Secret among the `sinks` of a credential, and what a pod need not write down of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rotator.kubernetes import in_cluster
from rotator.kubernetes.cluster import ClusterSettings
from rotator.kubernetes.secret import EVERY_FIELD, MANAGED_BY, RECORD_FIELDS, WHOLE
from rotator.settings.hooks import Hooked
from rotator.settings.places import AbsolutePath, UrlText
from rotator.settings.types import MONTH, FieldName, Seconds, Text, mapping_of, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"

Namespace = Annotated[str, Text(_LABEL, "a namespace of at most 63 lower-case letters, digits and dashes")]
ObjectName = Annotated[
    str, Text(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", "a Secret's name of lower-case letters, digits, - and .")
]
LabelKey = Annotated[
    str,
    Text(rf"(?:(?=[^/]{{1,253}}/){_LABEL}(?:\.{_LABEL})*/)?{_WORD}", 'a label such as "team" or "example.com/team"'),
]
LabelValue = Annotated[str, Text(rf"(?:{_WORD})?", "a label's value of at most 63 letters, digits, -, _ and .")]


def _usable_keys(keys: dict[str, str]) -> dict[str, str]:
    """https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data."""
    if any(not re.fullmatch(r"(?!\.\.)[A-Za-z0-9._-]{1,253}", key) or key == "." for key in keys):
        raise refuse("keys of letters, digits, -, _ and ., as a Secret has them", 'keys = { TOKEN = "access_token" }')
    if set(keys.values()) - {*RECORD_FIELDS, WHOLE}:
        raise refuse(
            f"fields among {', '.join(sorted(RECORD_FIELDS))}, or {WHOLE}", 'keys = { TOKEN = "access_token" }'
        )
    if not {"access_token", WHOLE} & set(keys.values()):
        raise refuse("a key with the token", 'keys = { TOKEN = "access_token" }; json holds it as well')
    return keys


def _no_mark(labels: dict[str, str]) -> dict[str, str]:
    if MANAGED_BY in labels:
        raise refuse(f"labels other than {MANAGED_BY}", "leave it out: it is rotator's mark")
    return labels


class KubernetesSink(Hooked):
    """A Secret, kept by server-side apply. In a pod, all but `name` may be left out."""

    type: Literal["kubernetes"] = Field(description="A Kubernetes Secret.")
    name: ObjectName = Field(description="The Secret's name.")
    namespace: Namespace | None = Field(None, description="Its namespace; in a pod, the pod's own.")
    keys: Annotated[dict[FieldName, FieldName], AfterValidator(_usable_keys)] = Field(
        default_factory=lambda: dict(EVERY_FIELD),
        description='Its keys, and the field of each, or json for all: { TOKEN = "access_token" }. A key per field.',
    )
    labels: Annotated[dict[LabelKey, LabelValue], AfterValidator(_no_mark)] = Field(
        default_factory=dict, description="Labels that it gets with the next token."
    )
    api_server: UrlText | None = Field(None, description="https://HOST:PORT; in a pod, that of its own cluster.")
    token_file: AbsolutePath | None = Field(
        None, description="File with the bearer token; read again when it changes. In a pod, the service account's."
    )
    ca_file: AbsolutePath | None = Field(
        None, description="PEM bundle to trust instead of the system's. In a pod, the service account's."
    )
    timeout: Annotated[float, Seconds(0.1, 60)] = Field(
        "5s", validate_default=True, description="For one request as a whole."
    )
    consumer_interval: Annotated[float, Seconds(0.1, MONTH)] | None = Field(
        None, description="How often consumers re-read it; the kubelet renews mounted Secrets within about a minute."
    )

    @model_validator(mode="after")
    def _placed(self) -> KubernetesSink:
        for key in ("api_server", "namespace", "token_file"):
            if getattr(self, key) is None:
                raise refuse(
                    f"{key}, since rotator runs outside a cluster or api_server names another one",
                    'api_server = "https://HOST:6443", namespace = "apps", token_file = "/etc/rotator/cluster-token"',
                    key,
                )
        return self

    @property
    def path(self) -> str:
        """`NAMESPACE/NAME`, behind the API server where that is not the one of rotator's own cluster."""
        own = self.token_file == in_cluster.SERVICE_ACCOUNT / "token"
        elsewhere = "" if own else f"{str(self.api_server).partition('://')[2]}/"
        return f"{elsewhere}{self.namespace}/{self.name}"

    def cluster(self) -> ClusterSettings:
        """Its API server as the kubernetes room wants it."""
        if self.api_server is None or self.token_file is None:
            raise TypeError("the model has seen to it that both are given")
        return ClusterSettings(self.api_server, self.token_file, self.ca_file, self.timeout)


def in_pod(table: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The table with what a pod's environment says of its own cluster, in sinks that name no other API server.

    A service account's token is never filled in beside an `api_server`: it would be shown to another cluster.
    """
    own = in_cluster.found(environ)
    if not own:
        return dict(table)
    filled = dict(table)
    if "defaults" in table:
        filled["defaults"] = _filled(table["defaults"], own)
    if "credentials" in table:
        filled["credentials"] = {name: _filled(one, own) for name, one in mapping_of(table["credentials"]).items()}
    return filled


def _filled(section: Any, own: Mapping[str, str]) -> Any:
    sinks = mapping_of(section).get("sinks")
    if not isinstance(sinks, list):
        return section
    return {**section, "sinks": [{**own, **sink} if _wants(sink) else sink for sink in sinks]}


def _wants(sink: Any) -> bool:
    return isinstance(sink, dict) and sink.get("type") == "kubernetes" and "api_server" not in sink
