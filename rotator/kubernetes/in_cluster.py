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


def found(environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT) -> dict[str, str]:
    """`api_server`, `token_file`, `ca_file` and, where its file is mounted, `namespace`; nothing outside a cluster."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return {}
    own = {
        "api_server": f"https://{_bracketed(host)}:{port}",
        "token_file": str(directory / "token"),
        "ca_file": str(directory / "ca.crt"),
    }
    try:
        namespace = (directory / "namespace").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return own
    return {**own, "namespace": namespace}


def _bracketed(host: str) -> str:
    """A host as a URL has it (RFC 3986 section 3.2.2)."""
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host  # noqa: PLR2004  IPv6
    except ValueError:
        return host
