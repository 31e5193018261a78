"""Durations, rates, shares and texts: what is read, and what is refused (G03, G08)."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rotator.settings.places import AbsolutePath, Mode, ResourceText, UrlText, VaultPathText, VaultUrlText
from rotator.settings.types import DAY, Count, Name, Rate, Scope, Seconds, Share, spell

Duration = Annotated[float, Seconds(0.1, DAY)]


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("24h", DAY),
        ("1h1m1s100ms", 3661.1),
    ],
)
def test_a_duration_is_figures_with_units(text: str, seconds: float) -> None:
    assert read(Duration, text) == pytest.approx(seconds)


REFUSED_DURATIONS = [
    "", "5", "s", "-5s", "0s", "0ms", "99ms", "25h", "5 s", " 5s", "5s\n", "5S", "1d", "5s1m", "1m1m", "1e3s", "nan",
    "inf", "NaNs", "\u0665s", "999999999h", "9" * 5000 + "s", 5, 5.0, 0, -1, True, None, math.nan, math.inf, 1e999,
    [], {},
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED_DURATIONS, ids=lambda value: f"G03-{str(value)[:12]!r}")
def test_what_is_no_duration_within_bounds_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        read(Duration, value)


@given(st.integers(min_value=100, max_value=86_400_000))
def test_every_duration_that_is_spelled_is_read_as_the_same(milliseconds: int) -> None:
    assert read(Duration, spell(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@given(st.text() | st.floats() | st.integers() | st.booleans() | st.none())
def test_whatever_is_given_as_a_duration_it_is_within_bounds_or_refused(value: object) -> None:
    try:
        seconds = read(Duration, value)
    except ValidationError:
        return
    assert 0.1 <= seconds <= DAY


@given(st.integers(min_value=1, max_value=999_999), st.sampled_from([("s", 1.0), ("m", 60.0), ("h", 3600.0)]))
def test_every_rate_is_read_as_its_count_and_period(count: int, unit: tuple[str, float]) -> None:
    assert read(Rate, f"{count}/{unit[0]}") == Rate(count, unit[1])


@pytest.mark.parametrize(
    "value", ["0/s", "-1/s", "20", "20/d", "20/ s", "1e3/s", "nan/s", "1.5/s", "/s", "9999999/s", 20, True, None]
)
def test_what_is_no_rate_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        read(Rate, value)


@given(st.text() | st.floats() | st.integers() | st.booleans())
def test_whatever_is_given_as_a_rate_it_lets_requests_through_or_is_refused(value: object) -> None:
    try:
        rate = read(Rate, value)
    except ValidationError:
        return
    assert rate.count >= 1
    assert rate.period in {1.0, 60.0, 3600.0}


@pytest.mark.parametrize("value", [0.5, 0.01, 0.99, "0.5", ".5"])
def test_a_share_lies_between_nothing_and_all(value: object) -> None:
    assert read(Annotated[float, Share()], value) == float(str(value))


@pytest.mark.parametrize(
    "value", [0, 1, -0.5, 1.5, math.nan, math.inf, True, "1", "nan", "half", None], ids=lambda v: f"G03-{v}"
)
def test_what_is_no_share_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        read(Annotated[float, Share()], value)


@pytest.mark.parametrize("value", [0, 9, -1, True, 1.5, "x", "", None])
def test_what_is_no_whole_number_within_bounds_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        read(Annotated[int, Count(1, 8)], value)


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.thx.network/token",
        "https://login.example.com/token?p=policy",
        "http://127.0.0.1:8200",
        "http://127.9.9.9/t",
        "http://[::1]:8200",
        "http://localhost:8200",
        "https://10.0.0.1/t",
    ],
)
def test_a_url_is_encrypted_or_stays_on_this_machine(url: str) -> None:
    assert read(UrlText, url) == url


REFUSED_URLS = {
    "G04-plain-http": "http://auth.thx.network/token",
    "G04-private-network": "http://10.0.0.1/token",
    "G04-metadata-service": "http://169.254.169.254/token",
    "G04-name-that-begins-like-loopback": "http://127.0.0.1.example.com/token",
    "G04-localhost-of-somebody": "http://localhost.example.com/token",
    "G04-localhost-with-dot": "http://localhost./token",
    "G04-short-form": "http://127.1/token",
    "G04-number": "http://2130706433/token",
    "G04-mapped": "http://[::ffff:127.0.0.1]/token",
    "G04-all-interfaces": "http://0.0.0.0/token",
    "user-and-password": "https://user:password@auth.thx.network/token",
    "user": "https://user@auth.thx.network/token",
    "secret-in-query": "https://auth.thx.network/token?client_secret=x",
    "fragment": "https://auth.thx.network/token#x",
    "other-scheme": "ftp://auth.thx.network/token",
    "no-scheme": "auth.thx.network/token",
    "no-host": "https:///token",
    "odd-port": "https://auth.thx.network:99999/token",
    "open-bracket": "https://[::1/token",
    "space": "https://auth.thx.network/to ken",
    "line-end": "https://auth.thx.network/token\n",
    "G08-look-alike": "https://\u0430uth.thx.network/token",
    "backslash": "https://auth.thx.network\\@evil.example/token",
    "long": "https://auth.thx.network/" + "x" * 3000,
    "number-type": 5,
}


@pytest.mark.parametrize("url", REFUSED_URLS.values(), ids=REFUSED_URLS.keys())
def test_a_url_that_is_not_safe_or_not_plain_is_refused(url: object) -> None:
    with pytest.raises(ValidationError):
        read(UrlText, url)


def test_vaults_address_loses_its_last_slash_and_has_no_query() -> None:
    assert read(VaultUrlText, "https://vault:8200/") == "https://vault:8200"
    with pytest.raises(ValidationError):
        read(VaultUrlText, "https://vault:8200/?x=1")


BAD_PATHS = {
    "up": "secret/../apps",
    "here": "secret/./apps",
    "escaped-up": "secret/%2e%2e/apps",
    "escaped-dot": "secret/a%2E",
    "empty-segment": "secret//apps",
    "nul": "secret/a\0b",
    "line-end": "secret/a\n",
    "control": "secret/a\x1bb",
    "trailing-dot": "secret/apps.",
    "dot-inside": "secret/a./b",
    "look-alike": "secret/\u0430pps",
    "full-width": "secret\uff0fapps",
    "trailing-space": "secret/apps ",
    "trailing-slash": "secret/apps/",
    "backslash": "secret\\apps",
    "empty": "",
    "number": 5,
}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=[f"G08-{name}" for name in BAD_PATHS])
def test_a_vault_path_that_two_readers_may_understand_differently_is_refused(path: object) -> None:
    with pytest.raises(ValidationError):
        read(VaultPathText, path)


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=[f"G08-{name}" for name in BAD_PATHS])
def test_a_file_path_that_two_readers_may_understand_differently_is_refused(path: object) -> None:
    with pytest.raises(ValidationError):
        read(AbsolutePath, f"/{path}" if isinstance(path, str) else path)


@pytest.mark.parametrize("path", ["relative/path", "~/token", "$HOME/token", "/run/$USER/token", "/run/*.token", "/"])
def test_a_file_path_is_absolute_and_nothing_in_it_is_expanded(path: str) -> None:
    with pytest.raises(ValidationError):
        read(AbsolutePath, path)


@pytest.mark.parametrize(("text", "mode"), [("0640", 0o640), ("640", 0o640), ("0600", 0o600), ("0400", 0o400)])
def test_a_mode_is_octal(text: str, mode: int) -> None:
    assert read(Annotated[int, Mode()], text) == mode


@pytest.mark.parametrize(
    "mode", ["0644", "0666", "0660", "0777", "0200", "4640", "0o640", "", "0648", 640, 0o640, True]
)
def test_a_mode_that_is_too_wide_or_not_octal_text_is_refused(mode: object) -> None:
    with pytest.raises(ValidationError):
        read(Annotated[int, Mode()], mode)


@pytest.mark.parametrize("name", ["billing", "asset-pool", "a.b_c-d", "0", "x" * 63])
def test_a_name_is_plain(name: str) -> None:
    assert read(Name, name) == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "_a", "A", "a b", "a/b", "\u0430", "a\n", "x" * 64])
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        read(Name, name)


@pytest.mark.parametrize("scope", ["openid  admin", " openid", "openid ", 'a"b', "a\\b", "a\tb", "ä"])
def test_a_scope_that_rfc_6749_does_not_allow_is_refused(scope: str) -> None:
    with pytest.raises(ValidationError):
        read(Scope, scope)


@pytest.mark.parametrize("uri", ["api", "https://a/#x", "https://u:p@a/", "https://a b", 5])
def test_a_resource_that_rfc_8707_does_not_allow_is_refused(uri: object) -> None:
    with pytest.raises(ValidationError):
        read(ResourceText, uri)
