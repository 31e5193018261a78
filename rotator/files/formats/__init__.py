"""What a token file looks like: one row per format. No I/O.

* `raw`: the token and nothing else, no line end.
* `json`: the record's fields, under the consumers' names, as one line; and `refresh_after`, for consumers that keep
  what they have read (F18): from then on they look again, once a minute, until they find another token.
* `header`: `Authorization: Bearer …` and a line end, as `curl -H @FILE` takes it.
* `env`: `NAME_ACCESS_TOKEN=…` and a line end, for `. FILE` in a shell, systemd's `EnvironmentFile=` and Docker's
  `--env-file`. Docker takes quotes for a part of the value, so there are none: no character of a bearer token means
  anything to a shell but a leading `~`. A token that begins with one is quoted, for shells and systemd only.
* `netrc`: `machine HOST login LOGIN password …` and a line end, for curl, git and whatever else reads ~/.netrc.
* `kubectl-exec`: an ExecCredential (client.authentication.k8s.io/v1), for a kubeconfig whose `exec` runs `cat FILE`.
* `dockerconfigjson`: `{"auths": {REGISTRY: {"auth": …}}}`, base64 of `LOGIN:TOKEN`. Docker, podman and the kubelet all
  read `auth`. `identitytoken` would be traded in as a refresh token, and `registrytoken` is read by few of them.
* `template`: what a template of the operator makes of the record; see `rotator.files.template`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files.formats.documents import DOCKERCONFIGJSON, JSON, KUBECTL_EXEC
from rotator.files.formats.lines import ENV, HEADER, NETRC, RAW, variable
from rotator.files.formats.row import RECORD_FIELDS, TOKEN, Format, Layout, bearer, refresh_after
from rotator.files.place import locate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import TokenRecord

__all__ = ["FORMATS", "RECORD_FIELDS", "TOKEN", "Format", "Layout", "is_ours", "variable"]


def _render_template(record: TokenRecord, layout: Layout) -> bytes:
    bearer(record)
    if layout.template is None:
        raise TypeError("the settings have seen to it that there is a template")
    variables = {**record.fields(), "refresh_after": refresh_after(record), "credential": layout.credential}
    content = layout.template.render(variables)
    if locate(content, record.access_token) is None:
        raise RotationError(
            Code.FILE_TEMPLATE,
            f"what {layout.template.name} made of this token does not hold it, plainly or once encoded as base64, so "
            "that nobody could read it from the file: let it write {{ access_token }} whatever the conditions",
        )
    return content


TEMPLATE = Format(
    render=_render_template,
    extract=lambda *_: None,
    resembles=lambda content, layout: layout.template is not None and layout.template.resembles(content),
    needs=("template_file",),
)

FORMATS: Mapping[str, Format] = {
    "raw": RAW,
    "json": JSON,
    "header": HEADER,
    "env": ENV,
    "netrc": NETRC,
    "kubectl-exec": KUBECTL_EXEC,
    "dockerconfigjson": DOCKERCONFIGJSON,
    "template": TEMPLATE,
}
"""By the name that the configuration uses."""


def is_ours(content: bytes, layout: Layout) -> bool:
    """Whether rotator may have written this, in any format: an empty file, or a token without a state is."""
    return not content.strip() or any(row.resembles(content, layout) for row in FORMATS.values())
