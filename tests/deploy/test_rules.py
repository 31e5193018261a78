"""Alerts and dashboard: each has its page, is tried by promtool, and speaks of metrics that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.marks import needs

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rotator.rules.yml"
RULES_TEST = Path(__file__).with_name("rotator.rules.test.yml")
DASHBOARD = ROOT / "deploy/grafana/rotator.json"
RUNBOOKS = ROOT / "docs/howto/alerts.md"

ALERTS = re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.MULTILINE)


def anchors() -> set[str]:
    """As GitHub and others make them of headings of one word."""
    return {heading.lower() for heading in re.findall(r"^#+ (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_runbook_with_a_heading_that_its_link_leads_to(alert: str) -> None:
    rule = RULES.read_text().split(f"- alert: {alert}\n")[1].split("- alert:")[0]
    (link,) = re.findall(r"runbook_url: (\S+)", rule)
    page, _, anchor = link.partition("#")
    assert (ROOT / page, anchor) == (RUNBOOKS, alert.lower())
    assert anchor in anchors()


def test_every_runbook_belongs_to_an_alert() -> None:
    named = set(re.findall(r"^#+ (Rotator\w+)$", RUNBOOKS.read_text(), re.MULTILINE))
    assert named == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_be_silent(alert: str) -> None:
    said = RULES_TEST.read_text()
    assert re.search(rf"alertname: {alert}\n +exp_alerts:\n", said)
    assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", said)


@needs("promtool")
@pytest.mark.parametrize("arguments", [("check", RULES), ("test", RULES_TEST)], ids=lambda arguments: str(arguments[0]))
def test_promtool_finds_nothing_wrong(arguments: tuple[str, Path]) -> None:
    verb, file = arguments
    ran = subprocess.run(["promtool", verb, "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "SUCCESS" in ran.stdout


@needs("promtool")
def test_the_configuration_in_the_how_to_is_one_that_prometheus_takes_with_links_as_it_says(tmp_path: Path) -> None:
    page = RUNBOOKS.read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (told,) = [block for block in blocks if "scrape_configs" in block]
    (links,) = re.findall(r"^sed .*$", page, re.MULTILINE)
    (tmp_path / "prometheus.yml").write_text(told)
    (tmp_path / "rotator.rules.yml").write_text(RULES.read_text())
    ran = subprocess.run(
        ["sh", "-ec", f"{links}\npromtool check config prometheus.yml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(ALERTS)} rules found" in ran.stdout
    linked = re.findall(r"runbook_url: (\S+)#", (tmp_path / "rotator.rules.yml").read_text())
    assert linked == ["https://git.example.com/rotator/docs/howto/alerts.md"] * len(ALERTS)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    """What the dashboard asks Prometheus for, with its variables filled in."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [re.sub(r'"\$\w+"', '".*"', expression.replace("$__rate_interval", "1m")) for expression in asked]


@needs("promtool")
def test_prometheus_understands_everything_that_the_dashboard_asks(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": asked} for number, asked in enumerate(expressions())]
    file = tmp_path / "dashboard.rules.json"  # YAML is a superset of it
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    ran = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(rules)} rules found" in ran.stdout


def test_no_panel_of_the_dashboard_lies_over_another_and_none_is_asked_for_twice() -> None:
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels()
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels()}) == len({panel["title"] for panel in panels()}) == len(panels())
