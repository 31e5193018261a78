"""A template of the operator, made into a file.

The template is the operator's word, as the configuration is; what goes into it is not: token and scope are the
provider's. And whoever may edit a template must not become rotator's user by it. So there are two walls: a list of
what a template may have (`rotator.files.language`), and behind it Jinja2's own sandbox, in which unknown names raise,
nothing is a global, no filters but our own are known, and there is no loader.

What is not defended: what the result means to its reader. A template that writes `run {{ scope }}` for a shell lets the
provider say what is run; the filters `shell` and `tojson` are there for that.
"""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.files.formats.row import refresh_after
from rotator.files.language import TemplateError, check
from rotator.files.place import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import jinja2

LARGEST_TEMPLATE = 64 * 1024
"""Bytes."""

LARGEST_RESULT = 256 * 1024
"""Characters. The longest token that is accepted has 64 KiB; twice in base64 it fits."""

LEAST_LITERAL = 8
"""So many letters and digits of the template's own must stand in a file without a state that counts as made by it."""


class _TooLargeError(Exception):
    """A piece is larger than the whole may be."""


class Template:
    """A template that has been checked, and tried with a token that is none.

    Args:
        source: Its text.
        name: For messages: its file's path.

    Raises:
        TemplateError: It cannot be used; with the line and the cure.
    """

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self._source = source
        environment = sandbox()
        tree = _parsed(environment, source)
        check(tree)
        self._skeleton = _skeleton(tree)
        self._jinja = _compiled(environment, tree)
        self._try()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and (self._source, self.name) == (other._source, other.name)

    def __hash__(self) -> int:
        return hash((self._source, self.name))

    def __repr__(self) -> str:
        return f"Template({self.name!r})"

    def render(self, variables: Mapping[str, str]) -> bytes:
        """What it makes of a record.

        Args:
            variables: One for each of `rotator.files.language.VARIABLES`.

        Raises:
            RotationError: FILE_TEMPLATE: the result is too large or no text.
        """
        try:
            return self._rendered(variables)
        except _TooLargeError:
            why = f"more than {LARGEST_RESULT} characters; wanted the file of one token: shorten it"
        except UnicodeEncodeError:
            why = "something that is no text; wanted UTF-8: see the escapes in its texts"
        except Exception as error:  # noqa: BLE001  the edge to foreign code, whose words may hold the token
            why = f"nothing, but failed with {type(error).__name__}; wanted a text: see what it does"
        # Not raised above: the exception there knows the frames that hold the token.
        raise RotationError(Code.FILE_TEMPLATE, f"the template {self.name} made {why}")

    def resembles(self, content: bytes) -> bool:
        """Whether this template may have made the content: its own words are there, in their order.

        For a file whose state is gone. Of a template with too few words of its own no file can tell.
        """
        return self._skeleton is not None and self._skeleton.fullmatch(content) is not None

    def _rendered(self, variables: Mapping[str, str]) -> bytes:
        parts: list[str] = []
        left = LARGEST_RESULT
        for part in self._jinja.generate(variables):
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise _TooLargeError
        return "".join(parts).encode()

    def _try(self) -> None:
        """See that it works, and that a restart will find the token in what it makes."""
        token = Secret("a-token.of/no+use~at_all==")
        start = datetime(2026, 1, 1, tzinfo=UTC)
        record = TokenRecord(token, start, start + timedelta(hours=1), 3600, "openid", fingerprint(token), "0" * 16)
        variables = {**record.fields(), "refresh_after": refresh_after(record), "credential": "billing"}
        try:
            found = locate(self.render(variables), token) is not None
        except RotationError as error:
            raise TemplateError(f"tried with a token of no use: {error.detail}", "mend that") from None
        if not found:
            raise TemplateError(
                "tried with a token of no use, it made a text without it",
                "let it write {{ access_token }}, plainly or with b64encode: after a restart it is read from the file",
            )


def sandbox() -> ImmutableSandboxedEnvironment:
    """Jinja2 with nothing in it but our filters: the wall behind the list."""
    environment = ImmutableSandboxedEnvironment(
        # Optimised, Jinja2 would work out constant expressions while it compiles.
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        optimized=False,
        cache_size=0,
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = dict(_FILTERS)
    return environment


def _bounded(filtered: Callable[[str], str]) -> Callable[[str], str]:
    def apply(value: str) -> str:
        result = filtered(value)
        if len(result) > LARGEST_RESULT:
            raise _TooLargeError
        return result

    return apply


_FILTERS: Mapping[str, Callable[[str], str]] = {
    "tojson": _bounded(json.dumps),
    "b64encode": _bounded(lambda value: b64encode(value.encode()).decode()),
    "shell": _bounded(shlex.quote),
}


def _parsed(environment: jinja2.Environment, source: str) -> nodes.Template:
    try:
        return environment.parse(source)
    except TemplateSyntaxError as error:
        found = f"line {error.lineno}: {error.message}"
    except Exception as error:  # noqa: BLE001  brackets deeper than Python's stack, numbers longer than Python reads
        found = f"it cannot be read: {type(error).__name__}"
    raise TemplateError(found, "write it as https://jinja.palletsprojects.com/templates has it")


def _compiled(environment: jinja2.Environment, tree: nodes.Template) -> jinja2.Template:
    try:
        return environment.from_string(tree)
    except Exception as error:  # noqa: BLE001  whatever Jinja2 and Python cannot make code of
        kind = type(error).__name__
    raise TemplateError(f"it cannot be compiled: {kind}", "make it simpler")


def _skeleton(tree: nodes.Template) -> re.Pattern[bytes] | None:
    """What a content looks like whatever the variables: the texts that are always there. None when they are too few.

    Each text is looked for once, behind the one before it (an atomic group): a regular expression that tried every
    other place as well would take for ever on a content that somebody made for it.
    """
    row = [
        part.data if isinstance(part, nodes.TemplateData) else None
        for statement in tree.body
        for part in (statement.nodes if isinstance(statement, nodes.Output) else [statement])
    ]
    merged = [(fixed, "".join(filter(None, texts))) for fixed, texts in groupby(row, lambda text: text is not None)]
    if len(re.findall(r"[A-Za-z0-9]", "".join(text for _, text in merged))) < LEAST_LITERAL:
        return None
    pattern = b""
    for index, (fixed, text) in enumerate(merged):
        literal = re.escape(text.encode())
        if not fixed:
            pattern += b".*" if index == len(merged) - 1 else b""
        elif index == 0:
            pattern += literal
        else:
            pattern += b".*" + literal if index == len(merged) - 1 else b"(?>.*?" + literal + b")"
    return re.compile(pattern, re.DOTALL)
