"""Where the configuration is looked for, and what durations a command line may say."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest
import typer

from rotator.cli import options
from rotator.settings.problems import ConfigError


def test_the_file_that_is_named_comes_before_the_environment_and_that_before_the_usual_places(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    environ = {"ROTATOR_CONFIG": "/from/the/environment.toml"}
    with chdir(tmp_path):
        assert options.find(Path("/named.toml"), environ) == Path("/named.toml")
        assert options.find(None, environ) == Path("/from/the/environment.toml")
        assert options.find(None, {}) == Path("config.toml")
        assert options.find(None, {"ROTATOR_CONFIG": ""}) == Path("config.toml")


@pytest.mark.skipif(options.USUAL[1].exists(), reason="this machine has a configuration where one usually is")
def test_without_any_file_it_is_told_where_was_looked_and_what_to_do(tmp_path: Path) -> None:
    with chdir(tmp_path), pytest.raises(ConfigError) as caught:
        options.find(None, {})
    told = str(caught.value)
    assert "none of config.toml, /etc/rotator/config.toml" in told
    assert "name one: -c FILE, or ROTATOR_CONFIG; or: rotator demo" in told


@pytest.mark.parametrize(
    ("text", "least", "seconds"),
    [("90s", 0.0, 90.0), ("10m", 0.0, 600.0), ("0s", 0.0, 0.0), ("-1h", -86400.0, -3600.0), ("1h", -86400.0, 3600.0)],
)
def test_a_duration_is_read_as_it_is_spelt(text: str, least: float, seconds: float) -> None:
    assert options.seconds(text, "--step", least=least) == seconds


@pytest.mark.parametrize(
    ("text", "least"), [("soon", 0.0), ("-1h", 0.0), ("5s", 10.0), ("99d", 0.0), ("--1h", -86400.0), ("", 0.0)]
)
def test_what_is_no_duration_or_out_of_bounds_is_told_with_its_option(text: str, least: float) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        options.seconds(text, "--step", least=least)
    assert caught.value.param_hint == "--step"
    assert "\n" not in str(caught.value)
