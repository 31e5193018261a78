"""The keys of a file sink that belong to some formats only, its template, and writing in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rotator.files.template import LARGEST_TEMPLATE
from rotator.settings import translate
from rotator.settings.sinks import FileSink
from tests.support.canary import Searcher, canary

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.files.options import FileSinkSettings
    from rotator.settings.problems import Problem
    from tests.unit.settings.home import Home

SINK = "credentials.billing.sinks[1]"
PATH = 'path = "/run/rotator/billing.token"'
TEMPLATE = "password {{ access_token }}\n"


def configure(home: Home, keys: str, template: str | bytes = TEMPLATE) -> Path:
    """A configuration whose file sink has these keys, FILE standing for a template."""
    file = home.directory / "billing.j2"
    file.write_bytes(template.encode() if isinstance(template, str) else template)
    file.chmod(0o644)
    home.changed(PATH, f"{PATH}\n{keys.replace('FILE', str(file))}")
    return file


def options(home: Home) -> FileSinkSettings:
    sink = home.loads().settings.credentials["billing"].sinks[1]
    assert isinstance(sink, FileSink)
    return translate.file_sink(sink)


def refused(home: Home, keys: str, template: str | bytes = TEMPLATE) -> Problem:
    configure(home, keys, template)
    return home.problem()


GOOD = {
    "netrc": 'machine = "git.example.com"\nlogin = "x-access-token"',
    "kubectl-exec": "",
    "dockerconfigjson": 'registry = "https://index.docker.io/v1/"\nlogin = "$oauthtoken"',
    "template": 'template_file = "FILE"',
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_format_is_taken_with_the_keys_that_it_needs(home: Home, kind: str) -> None:
    configure(home, f'format = "{kind}"\n{GOOD[kind]}')
    assert options(home).format == kind
    assert not options(home).in_place


@pytest.mark.parametrize(
    ("kind", "key", "cure"),
    [
        ("netrc", "machine", 'add machine = "git.example.com"'),
        ("netrc", "login", '"oauth2" (GitLab)'),
        ("dockerconfigjson", "registry", 'add registry = "registry.example.com"'),
        ("dockerconfigjson", "login", '"oauth2accesstoken" (Google)'),
        ("template", "template_file", "add template_file = "),
    ],
)
def test_a_key_that_a_format_needs_is_missed_with_its_cure(home: Home, kind: str, key: str, cure: str) -> None:
    others = "\n".join(line for line in GOOD[kind].splitlines() if not line.startswith(key))
    problem = refused(home, f'format = "{kind}"\n{others}')
    assert (problem.key, problem.wanted) == (f"{SINK}.{key}", f"this key where format = {kind}")
    assert cure in problem.cure


@pytest.mark.parametrize(
    ("kind", "line", "takers"),
    [
        ("raw", 'machine = "git.example.com"', "netrc"),
        ("kubectl-exec", 'login = "me"', "netrc or dockerconfigjson"),
        ("json", 'registry = "registry.example.com"', "dockerconfigjson"),
        ("raw", 'template_file = "FILE"', "template"),
        ("kubectl-exec", 'fields = { token = "access_token" }', "json"),
    ],
)
def test_a_key_of_another_format_is_refused_with_the_formats_that_take_it(
    home: Home, kind: str, line: str, takers: str
) -> None:
    problem = refused(home, f'format = "{kind}"\n{line}')
    key = line.split(maxsplit=1)[0]
    assert problem.key == f"{SINK}.{key}"
    assert problem.line == 27
    assert takers in f"{problem.wanted} {problem.cure}"


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("netrc", "machine", "git.example.com:8443"),
        ("netrc", "machine", "a b"),
        ("netrc", "machine", "a\\nmachine b"),
        ("netrc", "login", "me password x"),
        ("netrc", "login", "me\\n"),
        ("netrc", "login", '\\"me\\"'),
        ("netrc", "login", ""),
        ("dockerconfigjson", "login", "me:myself"),
        ("dockerconfigjson", "registry", "registry example"),
    ],
)
def test_f17_a_word_that_would_be_two_is_refused(home: Home, kind: str, key: str, value: str) -> None:
    others = "\n".join(line for line in GOOD[kind].splitlines() if not line.startswith(key))
    problem = refused(home, f'format = "{kind}"\n{others}\n{key} = "{value}"')
    assert problem.key == f"{SINK}.{key}"


TEMPLATES: dict[str, tuple[str | bytes, str]] = {
    "an unknown variable": ("password {{ acces_token }}", "line 1: there is no variable 'acces_token'"),
    "an unknown filter": ("\n\n{{ access_token | urlencode }}", "line 3: there is no filter 'urlencode'"),
    "no end": ("{{ access_token\n", "line 1: "),
    "an attribute": ("\n{{ ''.__class__ }}", "line 2: an attribute"),
    "no token": ("nothing", "it made a text without it"),
    "bytes": (b"\xff", "it holds bytes that are no UTF-8"),
    "too much": ("x" * (LARGEST_TEMPLATE + 1), f"more than {LARGEST_TEMPLATE}"),
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_template_that_cannot_be_used_is_refused_with_its_line(home: Home, case: str) -> None:
    template, told = TEMPLATES[case]
    problem = refused(home, 'format = "template"\ntemplate_file = "FILE"', template)
    assert (problem.key, problem.line) == (f"{SINK}.template_file", 27)
    assert problem.wanted.startswith("a template that can be used; this one: ")
    assert told in problem.wanted
    assert problem.cure


def test_a_template_that_is_missing_is_told(home: Home) -> None:
    configure(home, 'format = "template"\ntemplate_file = "FILE"').unlink()
    problem = home.problem()
    assert "does not exist" in problem.wanted
    assert problem.cure == "write it, or name the file that holds it"


def test_g07_a_template_that_others_may_change_is_refused_like_a_configuration(home: Home) -> None:
    file = configure(home, 'format = "template"\ntemplate_file = "FILE"')
    file.chmod(0o666)
    problem = home.problem()
    assert "others can change it" in problem.wanted
    assert problem.cure == f"chmod o-w {file}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_g07_a_template_of_a_stranger_is_refused_like_a_configuration(home: Home) -> None:
    os.chown(configure(home, 'format = "template"\ntemplate_file = "FILE"'), 54321, -1)
    assert "belongs to user 54321, who could change it" in home.problem().wanted


@pytest.mark.parametrize("around", ["{{ {} }}", "{{ access_token | {} }}", "{% {} %}", "{{ access_token {} }}"])
def test_g11_a_secret_that_was_pasted_into_a_template_is_not_shown(home: Home, around: str) -> None:
    secret = canary("the pasted one")
    configure(home, 'format = "template"\ntemplate_file = "FILE"', around.replace("{}", f"x{secret}"))
    error = home.error()
    assert Searcher({"the pasted one": secret}).look_at_error(error, "the refusal") == []
    assert "(not shown)" in error.problems[0].wanted


def test_a_template_that_was_changed_makes_another_sink_of_the_same_keys(home: Home) -> None:
    """So that a reload takes it up."""
    file = configure(home, 'format = "template"\ntemplate_file = "FILE"')
    before = [home.loads().settings.credentials["billing"] for _ in range(2)]
    file.write_text(f"user me {TEMPLATE}")
    assert before[0] == before[1]
    assert home.loads().settings.credentials["billing"] != before[0]


@pytest.mark.parametrize("mode", ["0600", "0640"])
def test_a_file_is_written_in_place_where_its_owner_may_write(home: Home, mode: str) -> None:
    configure(home, f'in_place = true\nmode = "{mode}"')
    assert options(home).in_place


@pytest.mark.parametrize("mode", ["0400", "0440"])
def test_a_file_that_not_even_its_owner_may_write_is_not_written_in_place(home: Home, mode: str) -> None:
    problem = refused(home, f'in_place = true\nmode = "{mode}"')
    assert problem.key == f"{SINK}.mode"
    assert '"0600" or "0640"' in problem.wanted
