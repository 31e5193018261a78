"""The commands as typer has them: as a page, and for the man page."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import typer

from rotator.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKUP = re.compile(r"\[/?(?:bold|dim)\]")
KINDS = {str: "TEXT", int: "NUMBER", float: "NUMBER"}


@dataclass(frozen=True)
class Parameter:
    """An option or an argument.

    Attributes:
        spelling: As it is written: `--config, -c FILE`, `[NAME]...`.
        meaning: A sentence or two.
        argument: Whether it is told by its place.
    """

    spelling: str
    meaning: str
    argument: bool


@dataclass(frozen=True)
class Command:
    """One command, or the program as a whole.

    Attributes:
        name: Empty for the program.
        summary: One sentence.
        paragraphs: What follows it.
        parameters: In the order of `--help`.
        examples: Lines to copy.
    """

    name: str
    summary: str
    paragraphs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    examples: tuple[str, ...]

    @property
    def usage(self) -> str:
        """The line that shows how it is called."""
        arguments = [one.spelling for one in self.parameters if one.argument]
        return " ".join(["rotator", *([self.name] if self.name else []), "[OPTIONS]", *arguments])


def program() -> Command:
    """The program as a whole, with the options that stand before a command."""
    return _command("", typer.main.get_command(app))


def commands() -> list[Command]:
    """Every command, in the order of `--help`."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("rotator", [], resilient_parsing=True)
    return [_command(name, command, context) for name, command in group.commands.items() if not command.hidden]


def _command(name: str, command: Any, parent: Any = None) -> Command:
    summary, *rest = [" ".join(part.split()) for part in inspect.cleandoc(command.help).split("\n\n")]
    told = MARKUP.sub("", command.epilog or "")
    examples = re.split(r" {2,}", told.removeprefix("Example: ")) if told.startswith("Example: ") else []
    parameters = tuple(_parameters(command, parent))
    return Command(name, summary, tuple(rest), parameters, tuple(examples))


def _parameters(command: Any, parent: Any) -> Iterator[Parameter]:
    context = command.make_context("", [], parent=parent, resilient_parsing=True)
    for parameter in command.get_params(context):
        argument = parameter.param_type_name == "argument"
        yield Parameter(_spelling(parameter, argument=argument), _meaning(parameter), argument)


def _spelling(parameter: Any, *, argument: bool) -> str:
    names = ", ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=len, reverse=True))
    if not argument and parameter.is_flag:
        return names
    value = parameter.metavar or _kind(parameter)
    if not argument:
        return f"{names} {value}"
    more = "..." if parameter.nargs == -1 else ""
    return value if parameter.required else f"[{value}]{more}"


def _kind(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    return "|".join(get_args(annotation)) or KINDS[annotation]


def _meaning(parameter: Any) -> str:
    words = " ".join((parameter.help or "").split())
    if parameter.min is not None:
        words += f" {parameter.min:g} to {parameter.max:g}."
    shown = parameter.param_type_name == "option" and not parameter.is_flag and parameter.show_default
    if shown and parameter.default is not None:
        words += f" Default: {parameter.default}."
    return words


def page() -> str:
    """docs/reference/commands.md."""
    whole = program()
    parts = ["# Commands", "\n\n".join(f"{text}" for text in whole.paragraphs), _table(whole)]
    parts += [_section(command) for command in commands()]
    parts.append(EXITS)
    return "\n\n".join(parts) + "\n"


EXITS = """\
## Exit codes

| code | means |
|---|---|
| 0 | done |
| 1 | some credential failed or is not fresh, or no daemon answers |
| 2 | usage or configuration |
| 130 | interrupted |"""


def _section(command: Command) -> str:
    parts = [f"## rotator {command.name}", f"```text\n{command.usage}\n```", command.summary, *command.paragraphs]
    if command.examples:
        parts.append("```sh\n" + "\n".join(command.examples) + "\n```")
    return "\n\n".join([*parts, _table(command)])


def _table(command: Command) -> str:
    rows = [f"| `{cell(one.spelling)}` | {cell(one.meaning)} |" for one in command.parameters]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def cell(text: str) -> str:
    """Text for a cell of a table in Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")
