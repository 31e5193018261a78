"""The page about Kubernetes, as far as it is not the chart's: a Secret that is kept, and what rotator may do for it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.model import Secret
from tests.deploy.chart import one, render, rotator_of
from tests.support.kubernetes import RBAC, USERS, token_of
from tests.support.kubernetes_fixtures import admin, api_server, fake, real
from tests.support.pages import example, examples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.conftest import Place
    from tests.support.kubernetes import Administrator

__all__ = ["admin", "api_server", "fake", "real"]

PAGE = "docs/howto/kubernetes.md"
USER = USERS[-1]


def documents(label: str) -> list[Any]:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all(example(PAGE, label)))


async def allowed(administrator: Administrator, namespace: str) -> None:
    """Give a user what the page gives to rotator's service account."""
    role, binding = documents("rbac")
    who = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    bound = {**binding, "roleRef": {**binding["roleRef"], "name": USER}, "subjects": [who]}
    for kind, one_of_them in (("roles", role), ("rolebindings", bound)):
        one_of_them["metadata"] = {"name": USER, "namespace": namespace}  # the fake knows roles by their users
        await administrator.ask("POST", f"{RBAC}/namespaces/{namespace}/{kind}", one_of_them)


async def test_a_secret_is_kept_by_whoever_has_the_role_of_the_page(
    site: Place, admin: Administrator, tmp_path: Path
) -> None:
    namespace = await admin.namespace()
    await allowed(admin, namespace)
    site.clients["billing"] = Secret("the-secret")
    await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=the-secret")
    (tmp_path / "cluster-token").write_text(token_of(USER))
    (written,) = (one.text for one in examples(PAGE, "toml"))
    outside = f'api_server = "{admin.url}"\ntoken_file = "{tmp_path}/cluster-token"\nca_file = "{admin.ca_file}"\n'
    site.configure(written.replace('"apps"', f'"{namespace}"') + outside)
    await site.sh("for attempt in 1 2 3 4 5; do rotator check --live && exit; sleep 1; done; exit 1")
    await site.sh("rotator rotate")
    held = {
        key: base64.b64decode(text).decode()
        for key, text in (await admin.get(namespace, "billing-token"))["data"].items()
    }
    assert set(held) == {"TOKEN", "record.json"}
    assert json.loads(held["record.json"])["access_token"] == held["TOKEN"]


def test_the_values_give_the_pod_what_a_pod_has_otherwise() -> None:
    pytest.importorskip("helm_python")
    yaml = pytest.importorskip("yaml")
    (more,) = documents("secret-values")
    values = yaml.safe_load(examples(PAGE, "yaml")[0].text)
    login = {"vaultAuth": {"method": "kubernetes", "kubernetes": {"audience": "vault", "expirationSeconds": 600}}}
    manifests = render({**values, **more, **login})
    for manifest in manifests:
        if manifest["kind"] not in {"PodMonitor", "PrometheusRule"}:
            pytest.importorskip("kubernetes_validate").validate(manifest, "1.37", strict=True)
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "kubernetes")
    files = [item for source in volume["projected"]["sources"] for item in source.values()]
    paths = {item["path"] for source in files for item in source.get("items", [source])}
    assert paths == {"token", "ca.crt", "namespace"}
    places = {mount["mountPath"]: mount["name"] for mount in rotator_of(manifests)["volumeMounts"]}
    assert places["/var/run/secrets/kubernetes.io/serviceaccount"] == "kubernetes"
