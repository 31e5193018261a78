"""The chart by the real Helm library, its manifests by Kubernetes' own schemas, its configuration by rotator."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.chart import CHART, VALUES, Document, containers, one, render, rotator_of, values, with_value
from tests.deploy.marks import deploy, needs, package
from tests.deploy.test_rules import ALERTS, DASHBOARD
from tests.support.process import rotator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = deploy

OLDEST, NEWEST = "1.29", "1.37"
KINDS_OF_OTHERS = {"PodMonitor", "PrometheusRule"}
"""Of Prometheus' operator: Kubernetes has no schema of theirs."""


def test_there_are_values_for_the_least_for_everything_and_for_a_sidecar() -> None:
    assert set(VALUES) == {"minimal", "everything", "sidecar"}


@pytest.mark.parametrize("name", VALUES)
def test_helm_lint_finds_nothing_to_mend(name: str) -> None:
    report = package("helm_python").lint(str(CHART), values(name), strict=True)
    information = 1
    assert report["errors"] == []
    assert [said for said in report["messages"] if said["severity"] > information] == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", VALUES)
def test_every_manifest_is_valid_for_kubernetes(name: str, version: str) -> None:
    manifests = [manifest for manifest in render(values(name)) if manifest["kind"] not in KINDS_OF_OTHERS]
    assert len(manifests) >= 2
    for manifest in manifests:
        assert package("kubernetes_validate").validate(manifest, version, strict=True) == version


def test_a_manifest_with_an_unknown_key_would_be_found() -> None:
    manifest = with_value(one(render(values("minimal")), "Deployment"), "spec.replica", 1)
    with pytest.raises(package("kubernetes_validate").ValidationError, match="replica"):
        package("kubernetes_validate").validate(manifest, NEWEST, strict=True)


BAD = [
    ("minimal", "config", "", "config"),
    ("minimal", "existingConfigMap", "too", "existingConfigMap|oneOf"),
    ("minimal", "mode", "daemonset", "mode"),
    ("minimal", "mod", "sidecar", "mod"),
    ("minimal", "image.tag", "not a tag", "tag"),
    ("minimal", "image.digest", "sha256:short", "digest"),
    ("minimal", "image.pullPolicy", "Sometimes", "pullPolicy"),
    ("minimal", "vaultAuth.approle.secretName", "", "secretName"),
    ("minimal", "vaultAuth.method", "userpass", "method"),
    ("minimal", "vaultAuth.kubernetes", {"expirationSeconds": 60}, "expirationSeconds"),
    ("minimal", "serviceAccount.create", False, "serviceAccount"),
    ("minimal", "strategy", "OnDelete", "strategy"),
    ("minimal", "port", 80, "port"),
    ("minimal", "port", "9464", "port"),
    ("minimal", "listenAddress", "localhost", "listenAddress"),
    ("minimal", "podSecurityContext.runAsUser", 0, "runAsUser"),
    ("minimal", "podSecurityContext.privileged", True, "privileged"),
    ("minimal", "podDisruptionBudget.maxUnavailable", 0, "maxUnavailable"),
    ("minimal", "networkPolicy.dns", [], "dns"),
    ("minimal", "prometheusRule.runbooks", "https://git.example.com", "runbooks"),
    ("minimal", "replicas", 2, "replicas"),
    ("minimal", "workload.containers", [{"name": "a", "image": "b"}], "containers"),
    ("sidecar", "workload.containers", [], "containers"),
    ("sidecar", "networkPolicy.enabled", True, "networkPolicy|enabled"),
]


@pytest.mark.parametrize(("name", "path", "value", "named"), BAD, ids=[f"{path} {value}" for _, path, value, _ in BAD])
def test_values_that_do_not_fit_are_refused_and_named(name: str, path: str, value: Any, named: str) -> None:
    with pytest.raises(package("helm_python").HelmError, match=named):
        render(with_value(values(name), path, value))


@pytest.mark.parametrize("name", VALUES)
def test_the_pod_is_restricted_as_kubernetes_calls_it(name: str) -> None:
    """See https://kubernetes.io/docs/concepts/security/pod-security-standards/; a read-only root is more than that."""
    pod = one(render(values(name)), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all({"configMap", "secret", "projected", "emptyDir"} & volume.keys() for volume in pod["volumes"])
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("name", VALUES)
def test_nothing_of_kubernetes_gets_into_the_pod_unasked(name: str) -> None:
    pod = one(render(values(name)), "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    # The variables of a Service called rotator would look like settings.
    assert pod["enableServiceLinks"] is False


def test_the_service_accounts_token_is_for_vault_alone() -> None:
    manifests = render(values("everything"))
    (volume,) = [
        volume
        for volume in one(manifests, "Deployment")["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "credentials"
    ]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"] == {
        "path": "service-account-token",
        "audience": "https://vault.example.com",
        "expirationSeconds": 3600,
    }
    account = one(manifests, "ServiceAccount")["metadata"]["name"]
    assert one(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account == "rotator"


def test_the_sidecar_starts_first_stays_and_holds_the_workload_back_until_there_are_tokens() -> None:
    pod = one(render(values("sidecar")), "Deployment")["spec"]["template"]["spec"]
    directory, sidecar = pod["initContainers"]
    assert "restartPolicy" not in directory
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("rotator", "Always")
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/-/ready"
    assert "readinessProbe" not in sidecar
    (workload,) = pod["containers"]
    assert {"name": "tokens", "mountPath": "/run/rotator", "readOnly": True} in workload["volumeMounts"]
    assert {"name": "scratch", "mountPath": "/tmp"} in workload["volumeMounts"]  # noqa: S108  the workload's own
    assert {"name": "tokens", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}} in pod["volumes"]


def test_alone_it_is_one_replica_probed_for_health_and_readiness_on_the_port_that_is_scraped() -> None:
    manifests = render(with_value(values("minimal"), "podMonitor", {"enabled": True}))
    deployment, container = one(manifests, "Deployment")["spec"], rotator_of(manifests)
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert container["livenessProbe"]["httpGet"] == {"path": "/-/healthy", "port": "rotator-http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/-/ready", "port": "rotator-http"}
    assert container["ports"] == [{"name": "rotator-http", "containerPort": 9464, "protocol": "TCP"}]
    monitor = one(manifests, "PodMonitor")["spec"]
    assert monitor["podMetricsEndpoints"] == [{"port": "rotator-http", "path": "/metrics", "interval": "15s"}]
    assert monitor["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("kind", ["NetworkPolicy", "PodDisruptionBudget", "PodMonitor"])
def test_what_selects_pods_selects_rotators(kind: str) -> None:
    manifests = render(values("everything"))
    selecting = one(manifests, kind)["spec"]
    labels = one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selector = selecting.get("podSelector") or selecting["selector"]
    assert selector["matchLabels"]
    assert selector["matchLabels"].items() <= labels.items()


def test_a_network_policy_with_nothing_said_lets_no_metadata_service_be_reached_and_nobody_in() -> None:
    policy = one(render(with_value(values("minimal"), "networkPolicy.enabled", True)), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    blocks = [peer["ipBlock"] for rule in policy["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert [block["except"] for block in blocks] == [["169.254.0.0/16"], ["fe80::/10"]]


@pytest.mark.parametrize("name", ["minimal", "sidecar"])
async def test_the_configuration_is_one_that_rotator_takes(name: str, tmp_path: Path) -> None:
    await rotator_takes(render(values(name)), tmp_path)


async def rotator_takes(manifests: list[Document], home: Path) -> None:
    """The rendered configuration, in the environment that the chart sets."""
    file = home / "config.toml"
    file.write_text(one(manifests, "ConfigMap")["data"]["config.toml"])
    for secret in ("role-id", "secret-id"):
        (home / secret).touch(mode=0o600)
        (home / secret).write_text("x")
    env = {entry["name"]: entry["value"] for entry in rotator_of(manifests)["env"]}
    code, said, complaints = await rotator("check", "-c", file, env=env)
    assert code == 0, said + complaints


PAGE = CHART.parents[2] / "docs/howto/kubernetes.md"


def examples() -> list[Document]:
    """The values that the how-to shows."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [package("yaml").safe_load(block) for block in blocks]


@pytest.mark.parametrize(("number", "mode"), [(0, "deployment"), (1, "sidecar")], ids=["alone", "sidecar"])
def test_the_values_in_the_how_to_are_good_ones(number: int, mode: str) -> None:
    shown = examples()[number]
    assert shown.get("mode", "deployment") == mode
    for manifest in render(shown):
        if manifest["kind"] not in KINDS_OF_OTHERS:
            package("kubernetes_validate").validate(manifest, NEWEST, strict=True)


async def test_the_configuration_in_the_how_to_is_one_that_rotator_takes(tmp_path: Path) -> None:
    await rotator_takes(render(examples()[0]), tmp_path)


def test_a_changed_configuration_is_a_new_pod() -> None:
    def checksum(document: Document) -> str:
        template = one(render(document), "Deployment")["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/config"]
        return found

    minimal = values("minimal")
    assert checksum(minimal) != checksum(with_value(minimal, "config", minimal["config"] + "\n# another"))


def test_the_dashboard_and_the_rules_are_those_that_are_shipped_for_everybody() -> None:
    manifests = render(values("everything"))
    boards = [manifest["data"] for manifest in manifests if manifest["kind"] == "ConfigMap"]
    assert [board["rotator.json"].strip() for board in boards] == [DASHBOARD.read_text().strip()]
    rules = one(manifests, "PrometheusRule")["spec"]
    (group,) = rules["groups"]
    assert [rule["alert"] for rule in group["rules"]] == ALERTS
    assert {rule["annotations"]["runbook_url"].partition("#")[0] for rule in group["rules"]} == {
        "https://git.example.com/rotator/docs/howto/alerts.md"
    }


@needs("promtool")
def test_promtool_takes_the_rules_as_they_come_out_of_the_chart(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(package("yaml").safe_dump(one(render(values("everything")), "PrometheusRule")["spec"]))
    ran = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(ALERTS)} rules found" in ran.stdout


def test_a_packaged_chart_carries_the_files_that_are_links_here(tmp_path: Path) -> None:
    helm = package("helm_python")
    archive = helm.package(str(CHART), destination=str(tmp_path))
    with helm.Chart.load_archive((tmp_path / archive).read_bytes()) as chart:
        files = {file["name"] for file in chart.files}
    assert {"files/rotator.rules.yml", "files/rotator.json"} <= files
    assert not any(name.startswith("ci/") for name in files)
