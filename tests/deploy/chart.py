"""The chart, rendered by the real Helm library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.deploy.marks import package

CHART = Path(__file__).parents[2] / "deploy/helm/rotator"
VALUES = {file.name.removesuffix("-values.yaml"): file for file in sorted((CHART / "ci").glob("*-values.yaml"))}

Document = dict[str, Any]


def values(name: str) -> Document:
    """The values of one of the files below `ci/`."""
    document: Document = package("yaml").safe_load(VALUES[name].read_text())
    return document


def with_value(document: Document, path: str, value: Any) -> Document:
    """A copy in which the value at a dotted path is another one; None takes it away."""
    key, _, rest = path.partition(".")
    if rest:
        return {**document, key: with_value(document.get(key, {}), rest, value)}
    return {**document, key: value}


def render(document: Document) -> list[Document]:
    """Every manifest, or helm_python.HelmError when the values do not fit."""
    with package("helm_python").Chart.load(str(CHART)) as chart:
        chart.validate_schema(document)
        files = chart.render(document, name="rotator", namespace="tokens")
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in package("yaml").safe_load_all(text) if manifest]


def one(manifests: list[Document], kind: str) -> Document:
    """The only manifest of a kind."""
    (found,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return found


def containers(pod: Document) -> list[Document]:
    """Those of a pod, the sidecar among them."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def rotator_of(manifests: list[Document]) -> Document:
    """rotator's container in the Deployment."""
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    (found,) = [container for container in containers(pod) if container["name"] == "rotator"]
    return found
