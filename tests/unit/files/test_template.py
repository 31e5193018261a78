"""Templates: what they may have, what they are refused for, and what nobody gets out of them."""

from __future__ import annotations

import json
import shlex
import tracemalloc
from base64 import b64decode
from dataclasses import replace

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, fingerprint
from rotator.files.formats import FORMATS, Layout
from rotator.files.formats.row import refresh_after
from rotator.files.language import DEEPEST, FILTERS, MOST_PARTS, VARIABLES, TemplateError
from rotator.files.template import LARGEST_RESULT, LARGEST_TEMPLATE, LEAST_LITERAL, Template, sandbox
from tests.integration.files.harness import record

NAME = "/etc/rotator/billing.j2"
VALUES = {**record().fields(), "refresh_after": refresh_after(record()), "credential": "billing"}
LONGEST = 65536
"""Characters of the longest token that is accepted."""


def made(source: str, **changes: str) -> str:
    return Template(source, NAME).render({**VALUES, **changes}).decode()


def refusal(source: str) -> str:
    with pytest.raises(TemplateError) as caught:
        Template(source, NAME)
    assert caught.value.cure
    return caught.value.found


def test_every_variable_is_a_field_of_the_record_or_named_in_the_guide() -> None:
    assert VALUES.keys() == VARIABLES
    source = "\n".join(f"{name} {{{{ {name} }}}}" for name in sorted(VARIABLES))
    assert made(source) == "\n".join(f"{name} {VALUES[name]}" for name in sorted(VARIABLES))


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ access_token }}", "token.one"),
        ("{{ access_token }}\n", "token.one\n"),
        ("  \t{{access_token}}\n\n", "  \ttoken.one\n\n"),
        ("a{# for people #}b {{ access_token }}", "ab token.one"),
        ("{% raw %}{{ x }}{% endraw %} {{ access_token }}", "{{ x }} token.one"),
        ("{{ 'Bearer ' ~ access_token ~ '!' }}", "Bearer token.one!"),
        ("{{ access_token if scope == 'openid' else 'none' }}", "token.one"),
        (
            "{% if not scope %}no{% elif 'open' in scope and expires_in != '5' %}{{ access_token }}{% endif %}",
            "token.one",
        ),
        ("{%- if scope > 'a' or scope -%}  {{ access_token }}  {%- endif -%}", "token.one"),
        ("{{ '<&\\'\"' }}{{ access_token }}", "<&'\"token.one"),
    ],
)
def test_a_template_writes_what_it_says(source: str, result: str) -> None:
    assert made(source) == result


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_each_filter_is_undone_by_its_reader(value: str) -> None:
    source = "{{ scope | tojson }}\0{{ scope | b64encode }}\0{{ scope | shell }}\0{{ access_token }}"
    as_json, as_base64, as_word, _ = made(source, scope=value).rsplit("\0", 3)
    assert json.loads(as_json) == value
    assert b64decode(as_base64).decode() == value
    assert shlex.split(as_word) == [value]


ATTACKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ access_token.__class__ }}",
    "{{ access_token['__class__'] }}",
    "{{ access_token | attr('__class__') }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ namespace }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ '{0.__class__}'.format(access_token) }}",
    "{{ '{0.__class__}' | format(access_token) }}",
    "{{ '{a.__class__}'.format_map({'a': access_token}) }}",
    "{{ '%s' % access_token }}",
    "{{ access_token.encode }}",
    "{{ access_token() }}",
    "{{ access_token | map('upper') | join }}",
    "{{ access_token[:5] }}",
    "{{ access_token[0] }}",
    "{{ range(1000000000) }}",
    "{% for a in access_token %}{% for b in access_token %}x{% endfor %}{% endfor %}",
    "{% for a in access_token recursive %}{{ loop(a) }}{% endfor %}",
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ -access_token }}",
    "{{ access_token + access_token }}",
    "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "{% call f() %}{% endcall %}",
    "{% set a = access_token ~ access_token %}{% set a = a ~ a %}{{ a }}",
    "{% set a %}{{ access_token }}{% endset %}{{ a }}",
    "{% with a = access_token %}{{ a }}{% endwith %}",
    "{% filter tojson %}{{ access_token }}{% endfilter %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import environ %}{{ environ }}",
    "{% extends '/etc/passwd' %}",
    "{% block a %}{{ access_token }}{% endblock %}{{ self.a() }}",
    "{% autoescape true %}{{ access_token }}{% endautoescape %}",
    "{% do access_token %}",
    "{% debug %}",
    "{{ access_token is callable }}",
    "{{ [access_token] }}",
    "{{ (access_token, access_token) }}",
    "{{ {'a': access_token} }}",
    "{{ caller() }}{{ super() }}",
    "{{ true }}",
    "{{ none }}",
    "{{ 5 }}",
    "{{ 1e999 }}",
    "{{ access_token if scope }}",
    "{{ access_token | tojson(indent=2) }}",
    "{{ access_token | shell(*access_token) }}",
    "{{ access_token | upper }}",
    "{{ access_token | default('x') }}",
    "{{ environ }}",
    "{{ __builtins__ }}",
    "{{ _ }}",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_not_on_the_list_is_refused_before_it_runs(attack: str) -> None:
    found = refusal(f"{{{{ access_token }}}}\n{attack}")
    assert found.startswith("line 2: ") or "autoescape" in attack, found


@pytest.mark.parametrize(
    ("name", "source"),
    {
        "brackets": "{{ " + "(" * 20_000 + "access_token" + ")" * 20_000 + " }}",
        "negations": "{{ " + "not " * 15_000 + "access_token }}",
        "filters": "{{ access_token" + "|shell" * 10_000 + " }}",
        "doubling filters": "{{ access_token" + "|tojson" * 9_000 + " }}",
        "concatenations": "{{ access_token" + "~access_token" * 4_000 + " }}",
        "alternatives": "{{ " + "access_token if scope else " * 2_000 + "access_token }}",
        "comparisons": "{{ access_token " + "== scope " * 6_000 + "}}",
        "conditions": "{% if scope %}" * 2_000 + "{{ access_token }}" + "{% endif %}" * 2_000,
        "a number": "{{ " + "9" * 60_000 + " }}",
        "a hexadecimal number": "{{ 0x" + "f" * 60_000 + " }}",
        "a lone surrogate": "{{ '\\ud800' }}{{ access_token }}",
        "an open text": "{{ '" + "x" * 60_000,
        "open brackets": "{{" * 30_000,
        "comments": "{#" * 30_000,
    }.items(),
)
def test_no_template_of_the_allowed_size_takes_long_or_much_to_be_refused(name: str, source: str) -> None:
    assert len(source) <= LARGEST_TEMPLATE
    tracemalloc.start()
    try:
        assert refusal(source), name
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_template_that_is_taken_costs_little_even_with_the_longest_token() -> None:
    part = "{{ access_token" + "~access_token" * (MOST_PARTS // 2 - 1) + " }}"
    template = Template((part * LARGEST_TEMPLATE)[: LARGEST_TEMPLATE // len(part) * len(part)], NAME)
    values = {**VALUES, "access_token": "a" * LONGEST}
    tracemalloc.start()
    try:
        with pytest.raises(RotationError) as caught:
            template.render(values)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code is Code.FILE_TEMPLATE
    assert f"made more than {LARGEST_RESULT} characters" in caught.value.detail
    assert NAME in caught.value.detail


def test_filters_upon_filters_end_where_the_result_would_be_too_large() -> None:
    assert "made more than" in refusal("{{ access_token" + " | b64encode" * (MOST_PARTS - 1) + " }}")
    template = Template("{{ access_token" + " | b64encode" * 10 + " }}{{ access_token }}", NAME)
    with pytest.raises(RotationError) as caught:
        template.render({**VALUES, "access_token": "a" * LONGEST})
    assert caught.value.code is Code.FILE_TEMPLATE


def test_conditions_may_stand_in_each_other_so_far_and_no_further() -> None:
    assert made("{% if scope %}" * DEEPEST + "{{ access_token }}" + "{% endif %}" * DEEPEST) == "token.one"
    deeper = "{% if scope %}" * (DEEPEST + 1) + "{{ access_token }}" + "{% endif %}" * (DEEPEST + 1)
    assert f"more than {DEEPEST} conditions in each other" in refusal(deeper)


def test_an_expression_may_have_so_many_parts_and_no_more() -> None:
    assert made("{{ access_token" + " ~ scope" * (MOST_PARTS - 2) + " }}").startswith("token.one")
    assert f"more than {MOST_PARTS} parts" in refusal("{{ access_token" + " ~ scope" * (MOST_PARTS - 1) + " }}")


def test_many_alternatives_in_a_row_are_no_deep_ones() -> None:
    source = "{% if scope == 'x' %}x" + "{% elif scope == 'x' %}x" * 50 + "{% else %}{{ access_token }}{% endif %}"
    assert made(source) == "token.one"


@pytest.mark.parametrize(
    "attack",
    [
        "{{ access_token.__class__ }}",
        "{{ access_token['__class__'] }}",
        "{{ '{0.__class__}'.format(access_token) }}",
        "{{ access_token.__init__.__globals__ }}",
        "{{ range(5) }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{{ access_token | upper }}",
        "{{ access_token is defined }}",
        "{{ nothing }}",
    ],
)
def test_what_should_ever_pass_the_list_meets_the_sandbox(attack: str) -> None:
    """The second wall alone: no list before it."""
    with pytest.raises((jinja2.TemplateError, TypeError)):
        sandbox().from_string(attack).render(VALUES)


def test_the_sandbox_knows_our_filters_and_nothing_else() -> None:
    environment = sandbox()
    assert environment.filters.keys() == FILTERS
    assert (environment.globals, environment.tests, environment.loader) == ({}, {}, None)
    assert not environment.autoescape


@pytest.mark.parametrize(
    "source",
    [
        "nothing",
        "{{ scope }}",
        "{{ access_token | b64encode | b64encode }}",
        "{% if not scope %}{{ access_token }}{% endif %}",
    ],
)
def test_a_template_from_whose_file_the_token_could_not_be_read_back_is_refused(source: str) -> None:
    assert "made a text without it" in refusal(source)


def test_a_template_that_leaves_the_token_out_at_run_time_is_told_and_makes_nothing() -> None:
    template = Template("{% if scope %}{{ access_token }}{% endif %}", NAME)
    with pytest.raises(RotationError) as caught:
        FORMATS["template"].render(replace(record(), scope=""), Layout("billing", template=template))
    assert caught.value.code is Code.FILE_TEMPLATE
    assert NAME in caught.value.detail
    assert "token.one" not in str(caught.value)


def test_a_render_that_fails_shows_nothing_of_the_token() -> None:
    template = Template("{{ access_token }}", NAME)
    with pytest.raises(RotationError) as caught:
        template.render(
            {name: value for name, value in VALUES.items() if name != "access_token"} | {"scope": "token.one"}
        )
    assert caught.value.detail == (
        f"the template {NAME} made nothing, but failed with UndefinedError; wanted a text: see what it does"
    )
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("source", "content", "ours"),
    [
        ("password={{ access_token }}\n", b"password=x\n", True),
        ("password={{ access_token }}\n", b"password=\n", True),
        ("password={{ access_token }}\n", b"password=x", False),
        ("password={{ access_token }}\n", b"passwort=x\n", False),
        ("password={{ access_token }}\n", b" password=x\n", False),
        ("{{ access_token }} password", b"x password", True),
        ("{{ access_token }} password", b"x password\n", False),
        ("pass{{ access_token }}word{{ scope }}", b"pass1word", True),
        ("pass{{ access_token }}word{{ scope }}", b"pass1wor", False),
        ("pass{{ access_token }}wo{{ scope }}rd", b"pass1rd2wo", False),
        ("pass{{ access_token }}wo{{ scope }}rd", b"pass1wo2rd3rd", True),
        ("{% if scope %}a{% endif %}password {{ access_token }}", b"password x", True),
        ("{% if scope %}a{% endif %}password {{ access_token }}", b"anything password x", True),
        ("{{ access_token }}", b"hunter2", False),
        ("x={{ access_token }}", b"x=hunter2", False),
    ],
)
def test_a_file_without_a_state_is_known_by_the_templates_own_words(source: str, content: bytes, ours: bool) -> None:  # noqa: FBT001  a table
    assert Template(source, NAME).resembles(content) is ours


def test_so_many_words_make_a_file_known_and_one_letter_less_does_not() -> None:
    words = "abcdefghijklmnop"[:LEAST_LITERAL]
    assert Template(f"{words} {{{{ access_token }}}}", NAME).resembles(f"{words} x".encode())
    assert not Template(f"{words[1:]} {{{{ access_token }}}}", NAME).resembles(f"{words[1:]} x".encode())


def test_a_content_made_to_be_slow_is_looked_at_quickly() -> None:
    source = "password" + "{{ access_token }}ab" * 60 + "{{ access_token }}end"
    assert not Template(source, NAME).resembles(b"password" + b"ab" * 400_000)


def test_two_templates_are_the_same_when_text_and_place_are() -> None:
    one = Template("{{ access_token }}", NAME)
    assert one == Template("{{ access_token }}", NAME)
    assert hash(one) == hash(Template("{{ access_token }}", NAME))
    assert one != Template("{{ access_token }}\n", NAME)
    assert one != Template("{{ access_token }}", "elsewhere")
    assert one != "{{ access_token }}"
    assert repr(one) == f"Template('{NAME}')"


def test_the_token_that_a_template_is_tried_with_has_every_character_that_a_bearer_token_may_have() -> None:
    """What a filter would do to one of them is found when the configuration is checked."""
    tried: list[str] = []

    class Listening(Template):
        def render(self, variables: object) -> bytes:
            assert isinstance(variables, dict)
            tried.append(variables["access_token"])
            assert variables["fingerprint"] == fingerprint(Secret(variables["access_token"]))
            return super().render(variables)

    Listening("{{ access_token }}", NAME)
    assert set("-._~+/=") <= set(tried[0])
