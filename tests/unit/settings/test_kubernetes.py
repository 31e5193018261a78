"""Sinks of the type kubernetes: what they are, what is refused, and what a pod fills in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.kubernetes.cluster import ClusterSettings
from rotator.kubernetes.in_cluster import SERVICE_ACCOUNT, found
from rotator.settings.kubernetes import KubernetesSink

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

VAULT_SINK = 'type = "vault"\npath = "secret/tokens/billing"\n'
ELSEWHERE = """\
type = "kubernetes"
api_server = "https://k8s.example.com:6443"
namespace = "apps"
name = "billing"
token_file = "/etc/rotator/cluster-token"
"""
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def sink(home: Home, text: str, **environ: str) -> KubernetesSink:
    home.write(home.good.replace(VAULT_SINK, text))
    section = home.loads(**environ).settings.credentials["billing"].sinks[0]
    assert isinstance(section, KubernetesSink)
    return section


def test_a_sink_elsewhere_says_where_and_how_it_is_let_in(home: Home) -> None:
    section = sink(home, ELSEWHERE)
    token_file = Path("/etc/rotator/cluster-token")
    assert section.cluster() == ClusterSettings("https://k8s.example.com:6443", token_file, None, 5.0)
    assert section.path == "k8s.example.com:6443/apps/billing"


def test_left_out_keys_are_a_key_for_every_field(home: Home) -> None:
    assert sink(home, ELSEWHERE).keys == {
        name: name
        for name in (
            "access_token", "expires_at", "expires_in", "fingerprint", "inputs", "issued_at", "scope", "token_type",
        )
    }  # fmt: skip


def test_keys_name_fields_and_are_taken_for_no_secrets(home: Home) -> None:
    section = sink(home, ELSEWHERE + 'keys = { token = "access_token", "token.json" = "json" }\n')
    assert section.keys == {"token": "access_token", "token.json": "json"}


def test_in_a_pod_the_name_is_enough_once_the_pod_has_a_namespace(home: Home) -> None:
    section = sink(home, 'type = "kubernetes"\nname = "billing"\nnamespace = "apps"\n', **POD)
    assert section.cluster() == ClusterSettings(
        "https://10.96.0.1:443", SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt", 5.0
    )
    assert section.path == "apps/billing"


def test_in_a_pod_defaults_are_filled_as_well(home: Home) -> None:
    text = home.good.replace("renew_at = 0.5", 'sinks = [{ type = "kubernetes", name = "a", namespace = "b" }]')
    home.write(text[: text.index("[[credentials")])
    section = home.loads(**POD).settings.credentials["billing"].sinks[0]
    assert isinstance(section, KubernetesSink)
    assert section.path == "b/a"


def test_the_service_accounts_token_is_not_shown_to_another_cluster(home: Home) -> None:
    home.write(home.good.replace(VAULT_SINK, ELSEWHERE.replace('token_file = "/etc/rotator/cluster-token"\n', "")))
    problem = home.problem(**POD)
    assert problem.key == "credentials.billing.sinks[0].token_file"
    assert "api_server names another one" in problem.wanted


REFUSED = {
    "outside a cluster": ('api_server = "https://k8s.example.com:6443"\n', "", "api_server", "outside a cluster"),
    "no namespace": ('namespace = "apps"\n', "", "namespace", "namespace"),
    "plain http": ("https://k8s", "http://k8s", "api_server", "https://"),
    "a namespace with capitals": ('"apps"', '"Apps"', "namespace", "lower-case"),
    "a namespace that leaves": ('"apps"', '"../kube-system"', "namespace", "lower-case"),
    "a name with a slash": ('"billing"\ntoken', '"bill/ing"\ntoken', "name", "Secret's name"),
    "a name that ends with a dot": ('"billing"\ntoken', '"billing."\ntoken', "name", "Secret's name"),
    "a long name": ('"billing"\ntoken', f'"{"a" * 254}"\ntoken', "name", "Secret's name"),
    "a relative file": ('"/etc/rotator/cluster-token"', '"cluster-token"', "token_file", "absolute"),
    "fields": ("namespace", 'fields = { token = "access_token" }\nnamespace', "fields", ""),
    "an unknown field": ("namespace", 'keys = { a = "refresh_token" }\nnamespace', "keys", "fields among"),
    "no token": ("namespace", 'keys = { a = "expires_at" }\nnamespace', "keys", "a key with the token"),
    "a key with a space": ("namespace", 'keys = { "a b" = "access_token" }\nnamespace', "keys", "letters, digits"),
    "a key above": ("namespace", 'keys = { ".." = "access_token" }\nnamespace', "keys", "letters, digits"),
    "a label that is the mark": (
        "namespace", 'labels = { "app.kubernetes.io/managed-by" = "x" }\nnamespace', "labels", "rotator's mark",
    ),
    "a label's value": ("namespace", 'labels = { team = "a b" }\nnamespace', "labels.team", "letters, digits"),
    "no time at all": ("namespace", 'timeout = "0s"\nnamespace', "timeout", "100ms"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "word"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(home: Home, old: str, new: str, key: str, word: str) -> None:
    assert old in ELSEWHERE
    home.write(home.good.replace(VAULT_SINK, ELSEWHERE.replace(old, new, 1)))
    problem = home.problem()
    assert problem.key.startswith(f"credentials.billing.sinks[0].{key}")
    assert word in problem.wanted + (problem.cure or "")


def test_g02_two_credentials_do_not_share_a_secret(home: Home) -> None:
    home.write(home.good.replace(VAULT_SINK, f"{ELSEWHERE}\n[[credentials.billing.sinks]]\n{ELSEWHERE}"))
    problem = home.problem()
    assert problem.key == "credentials.billing.sinks[1].name"
    assert "a place of its own" in problem.wanted


def test_secrets_of_the_same_name_in_two_clusters_are_two(home: Home) -> None:
    other = ELSEWHERE.replace("k8s.example.com", "other.example.com")
    home.write(home.good.replace(VAULT_SINK, f"{ELSEWHERE}\n[[credentials.billing.sinks]]\n{other}"))
    assert len(home.loads().settings.credentials["billing"].sinks) == 3


@pytest.mark.parametrize(
    ("host", "port", "server"),
    [
        ("10.96.0.1", "443", "https://10.96.0.1:443"),
        ("fd00::1", "6443", "https://[fd00::1]:6443"),
        ("kubernetes.default.svc", "443", "https://kubernetes.default.svc:443"),
    ],
)
def test_a_pod_is_told_where_its_api_server_is(host: str, port: str, server: str) -> None:
    assert found({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port})["api_server"] == server


def test_a_pods_namespace_stands_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("apps")
    assert found(POD, tmp_path)["namespace"] == "apps"


def test_outside_a_cluster_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("apps")
    assert found({}, tmp_path) == {}
