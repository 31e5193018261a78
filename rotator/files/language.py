"""The part of Jinja2 that a template may use: what is on the list is allowed, everything else is refused unrun.

Texts, variables, three filters, `~`, conditions and comparisons. Not: attributes and items (the way to `__class__`),
calls (`str.format` among them), arithmetic, loops, macros, assignments, blocks, includes and imports. What cannot be
repeated is bounded by the template's length, so that no deadline has to end it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from jinja2 import nodes

from rotator.files.formats.row import RECORD_FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

VARIABLES = RECORD_FIELDS | {"refresh_after", "credential"}
FILTERS = frozenset({"tojson", "b64encode", "shell"})

MOST_PARTS = 64
"""Of one expression or condition: names, texts, filters, operators. It bounds what one of them can grow to."""

DEEPEST = 16
"""Conditions within conditions; Python itself gives up before 100."""

_STATEMENTS = (nodes.Template, nodes.Output, nodes.If)
_EXPRESSIONS = (
    nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Concat, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip

_FORBIDDEN: Mapping[type[nodes.Node], str] = {
    nodes.Getattr: "an attribute",
    nodes.Getitem: "an item or a slice",
    nodes.Call: "a call",
    nodes.Test: "a test with `is`",
    nodes.BinExpr: "arithmetic",
    nodes.UnaryExpr: "arithmetic",
    nodes.Literal: "a list, a tuple or a table",
    nodes.For: "a loop",
    nodes.Assign: "an assignment",
    nodes.AssignBlock: "an assignment",
    nodes.Macro: "a macro",
    nodes.CallBlock: "a call",
    nodes.FilterBlock: "a filter around a block",
    nodes.Block: "a block",
    nodes.Extends: "another template",
    nodes.Include: "another template",
    nodes.Import: "another template",
    nodes.FromImport: "another template",
}
"""In the operator's words."""


class TemplateError(ValueError):
    """A template cannot be used.

    Attributes:
        found: What is wrong, and in which line; without what the template says there, but for names and Jinja2's words.
        cure: What to do.
    """

    def __init__(self, found: str, cure: str) -> None:
        super().__init__(f"{found}: {cure}")
        self.found = found
        self.cure = cure


def check(tree: nodes.Template) -> None:
    """Refuse what is not on the list. Without recursion: a tree may be deeper than Python's stack.

    Raises:
        TemplateError: With the line.
    """
    todo: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if isinstance(node, nodes.Expr):
            _check_expression(node)
            continue
        if not isinstance(node, _STATEMENTS):
            raise _not_allowed(node)
        if depth > DEEPEST:
            raise TemplateError(f"{_at(node)}more than {DEEPEST} conditions in each other", "make it flatter")
        inner = depth + isinstance(node, nodes.If)
        todo += [(child, inner) for child in node.iter_child_nodes()]


def _check_expression(root: nodes.Expr) -> None:
    todo: list[nodes.Node] = [root]
    seen = 0
    while todo:
        node = todo.pop()
        seen += 1
        if seen > MOST_PARTS:
            raise TemplateError(f"{_at(node)}an expression of more than {MOST_PARTS} parts", "take it apart")
        _check_part(node)
        todo += node.iter_child_nodes()


def _check_part(node: nodes.Node) -> None:
    at = _at(node)
    if type(node) not in _EXPRESSIONS:
        raise _not_allowed(node)
    if isinstance(node, nodes.Name) and node.name not in VARIABLES:
        raise TemplateError(f"{at}there is no variable {node.name!r}", _one_of(node.name, VARIABLES))
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise TemplateError(f"{at}there is no filter {node.name!r}", _one_of(node.name, FILTERS))
    if isinstance(node, nodes.Filter) and (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs):
        raise TemplateError(f"{at}the filter {node.name} takes nothing in brackets", "leave the brackets out")
    if isinstance(node, nodes.CondExpr) and node.expr2 is None:
        raise TemplateError(f"{at}an `if` without its `else`", "add `else` and what stands there then")
    if isinstance(node, nodes.Const) and not isinstance(node.value, str):
        raise TemplateError(f"{at}a value that is no text", "put it into quotes: all values are texts")


def _one_of(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}"


def _not_allowed(node: nodes.Node) -> TemplateError:
    what = next((words for kind, words in _FORBIDDEN.items() if isinstance(node, kind)), "a statement")
    return TemplateError(
        f"{_at(node)}{what}, which a template for a token may not have",
        "write {{ NAME }}, filters, texts joined with ~, conditions and comparisons only",
    )


def _at(node: nodes.Node) -> str:
    """Where it stands; Jinja2 does not say it of every statement."""
    return f"line {node.lineno}: " if node.lineno else ""
