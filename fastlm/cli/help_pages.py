"""The help pages: plain text, in sections, as wide as the terminal.

Typer's own pages need rich, which takes longer to import than all commands, and draw boxes that a
pipe and a dumb terminal cannot show.
"""

from __future__ import annotations

from typing import Any

import typer.core

__all__ = ["SETTINGS", "Command", "Group"]

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of the contexts of all commands."""


class Command(typer.core.TyperCommand):
    """A command whose options stand in sections, named by their panels."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the name of the command in its usage."""
        return ["[OPTIONS]", *map(_usage, _arguments(self, ctx))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options of each section."""
        _write_options(self, ctx, formatter)


class Group(typer.core.TyperGroup):
    """The commands, each with its first sentence, which other pages would cut."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands."""
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names of the commands, and what each does."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, _first_sentence(command)) for name, command in self.commands.items()]
            )


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        title = getattr(param, "rich_help_panel", None) or "Options"
        if param.param_type_name == "argument":
            # Typer adds the type, such as <list[str]>.
            title, record = "Arguments", (_name(param), record[1].removesuffix("[required]"))
        sections.setdefault(title, []).append(record)
    for title, records in sections.items():
        with formatter.section(title):
            formatter.write_dl(records)


def _arguments(command: Any, ctx: Any) -> list[Any]:
    return [each for each in command.get_params(ctx) if each.param_type_name == "argument"]


def _name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _usage(argument: Any) -> str:
    name = _name(argument) if argument.required else f"[{_name(argument)}]"
    return f"{name}..." if argument.nargs == -1 else name


def _first_sentence(command: Any) -> str:
    paragraph = (command.help or "").split("\n\n")[0]
    return " ".join(paragraph.split())
