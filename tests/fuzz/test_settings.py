"""Configurations as people in a hurry write them: read, or refused with what to mend and without what stands there."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.settings.load import load
from rotator.settings.problems import ConfigError
from rotator.settings.secrecy import looks_random
from tests.fuzz import checks
from tests.support.canary import Searcher, canary
from tests.unit.settings.home import GOOD, Home

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = settings(max_examples=200, deadline=2000)
ON_DISK = settings(EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text()
KEY = re.compile(r"(?m)^([a-z_]+) = .*$")


@EXAMPLES
@given(
    st.one_of(
        st.text(max_size=20),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.none(),
        st.lists(st.none(), max_size=1),
        st.from_regex(r"[0-9]{0,11}(h|m|s|ms)?([0-9]{0,10}(\.[0-9]{0,4})?(s|m|ms))?", fullmatch=True),
        st.from_regex(r"-?[0-9]{0,8}/(s|m|h|d| s|S)", fullmatch=True),
        st.from_regex(r"[0-9]{0,2}\.?[0-9]{0,12}", fullmatch=True),
        st.ip_addresses().map(str),
        st.tuples(st.ip_addresses().map(str), st.integers(-1, 130)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        st.sampled_from(["٣s", "1e3s", "5 s", "1h\n", "0s", "00001s", "999999999h", "1m2ms", "+5s", checks.SECRET]),
    )
)
def test_any_duration_rate_size_share_or_network_is_read_within_bounds_or_refused_g03(value: object) -> None:
    checks.setting(value)


def refused(file: Path, environ: Mapping[str, str], searcher: Searcher) -> bool:
    """Whether a configuration is refused; without a canary in anything that is said about it."""
    try:
        said: object = load(file, environ).warnings
    except ConfigError as error:
        said = json.dumps([problem.as_dict() for problem in error.problems])
        found = searcher.look_at_error(error, "a refusal")
    else:
        found = []
    assert found + searcher.look(repr(said), "problems and warnings") == []
    return isinstance(said, str)


SECRETS = {
    "letters and digits": checks.SECRET,
    "hexadecimal": canary("hex", "0123456789abcdef"),
    "base64": canary("base64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+") + "==",
    "a UUID": str(uuid.UUID(int=int(canary("uuid", "123456789abcdef", 32), 16))),
}
SHAPES = {
    "a text": '"{}"',
    "a list": '["{}"]',
    "a table": '{{ x = "{}" }}',
    "bare": "{}",
    "without an end": '"{}',
    "twice": '"{}{}"',
    "in company": '"see {} here"',
    "with a line end": '"{}\\n"',
    "in a URL": '"https://{}.example.com/x"',
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_of_a_machine_that_was_pasted_as_any_value_is_not_shown_g11(kind: str, home: Home) -> None:
    secret = SECRETS[kind]
    searcher = Searcher({kind: secret})
    texts = (GOOD, EXAMPLE)
    count = 0
    for text in texts:
        for found in KEY.finditer(text):
            for shape in SHAPES.values():
                said = shape.replace("{}", secret).replace("{{", "{").replace("}}", "}")
                home.write(f"{text[: found.start(1)]}{found[1]} = {said}{text[found.end() :]}")
                count += refused(home.file, {}, searcher)
    assert count > 100


NAMES = [
    "asset-pool-production-01", "https://vault.eu-west-1.example.com:8200", "assetPoolProductionTokenCache",
    "/run/credentials/rotator.service/secret-id-2026", "RS256", "client_secret_basic", "billing_v2_eu_west_1_blue",
    "2026-11-24T12:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_as_people_give_them_are_still_shown(name: str) -> None:
    assert not looks_random(name)


TOML = st.lists(
    st.sampled_from(
        [
            "[vault]",
            "[vault.auth]",
            "[providers.thx]",
            "[[credentials.a.sinks]]",
            "\n",
            "=",
            '"',
            "'''",
            '"""',
            "[",
            "]",
            "{",
            "}",
            ",",
            "#",
            "address",
            "token_url",
            "timeout",
            "sinks",
            "path",
            ".",
            "\\u0000",
            "\\",
            "1979-05-27",
            "0x",
            "inf",
            "-",
            "é",
            "\0",
            "\ud800",
            " = ",
            "[" * 3000,
            "9" * 5000,
            '"5s"',
            f'"{checks.SECRET}"',
            "client_secret",
            "true",
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@ON_DISK
@given(text=TOML, before=st.sampled_from(["", GOOD]))
def test_no_text_ends_the_reading_of_a_configuration_but_with_a_list_of_what_to_mend_g11(
    home: Home, text: str, before: str
) -> None:
    home.file.write_bytes((before + text).encode(errors="surrogatepass"))
    assert refused(home.file, {}, checks.SEARCHER) or before


@ON_DISK
@given(
    parts=st.lists(
        st.sampled_from(["VAULT", "AUTH", "TIMEOUT", "PROVIDERS", "THX", "CREDENTIALS", "SINKS", "", "0", "é"]),
        max_size=5,
    ),
    value=st.sampled_from(
        ['"', "[", "{}", '{"x": [', "5s", "true", "null", checks.SECRET, f'["{checks.SECRET}"]', "[" * 20000]
    )
    | st.text(max_size=8),
)
def test_no_variable_ends_it_otherwise_g11(home: Home, parts: list[str], value: str) -> None:
    home.write(GOOD)
    refused(home.file, {f"ROTATOR_{'__'.join(parts)}": value}, checks.SEARCHER)
