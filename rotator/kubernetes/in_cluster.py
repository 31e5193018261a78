"""What Kubernetes gives every pod: where the API server is, and who the pod is there.

See https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts the service account's token, the cluster's CA, and the name of the pod's namespace."""


def api_server(environ: Mapping[str, str]) -> str | None:
    """https://HOST:PORT of the API server; None outside a cluster."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdecimal():
        return None
    return f"https://{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    """A host as a URL has it (RFC 3986 section 3.2.2)."""
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host  # noqa: PLR2004  IPv6
    except ValueError:
        return host


def namespace(directory: Path = SERVICE_ACCOUNT) -> str | None:
    """The namespace of the pod; None outside a cluster, and where the token is not mounted."""
    try:
        return (directory / "namespace").read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
