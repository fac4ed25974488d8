"""The option --config: a TOML file with settings of a command."""

from __future__ import annotations

import inspect
import reprlib
import types
import typing
from pathlib import Path
from typing import Annotated, Any

import typer

from fastlm.checks import is_number, is_whole
from fastlm.errors import ConfigError
from fastlm.wording import nearest_name

__all__ = ["COMMA_LIST", "ConfigOption", "argument_from_config"]

# The metavar of options whose text is a list of numbers; in TOML it may be an array.
COMMA_LIST = "N,N..."

_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "a string or an array of strings",
    COMMA_LIST: "an array of whole numbers, such as [256, 128]",
}


def _load_config(context: typer.Context, path: str | None) -> str | None:
    """Make the values of a file the defaults of the command that is being parsed.

    Keys are the names of options and arguments, with - or _. They stand at the top of the file, or
    in a table of the command's name, which wins.

    Raises
    ------
    ConfigError
        For a file that cannot be read, and a key or a value that the command does not take.
    """
    if path is not None:
        context.default_map = _defaults(context, path)
    return path


ConfigOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.toml",
        is_eager=True,
        callback=_load_config,
        help="Read options from a TOML file, whose keys are their names, at the top or in a table "
        "named after the command. An option on the command line wins.",
    ),
]


def argument_from_config(
    context: typer.Context, param: typer.CallbackParam, value: list[str] | None
) -> list[str]:
    """Return a list of arguments, or the one in the file if the command line has none.

    Some versions of click and typer ignore ``default_map`` for such lists.
    """
    return value or (context.default_map or {}).get(param.name) or []


def _defaults(context: typer.Context, path: str) -> dict[str, Any]:
    form = _read(path)
    command = context.info_name or ""
    group = context.find_root().command
    commands = {name: _keys(each) for name, each in getattr(group, "commands", {}).items()}
    keys = _keys(context.command)
    types_of = typing.get_type_hints(inspect.unwrap(context.command.callback or (lambda: None)))
    # An option may have the name of a command, as calibrate of score.
    named = [name for name in commands if name in form]
    tables = {n: form.pop(n) for n in named if isinstance(form[n], dict) or n not in keys}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {name} is {_short(table)}; write its options under [{name}]"
            )
    defaults = {}
    for place in (form, tables.get(command, {})):
        for key, value in place.items():
            param = keys.get(key.replace("-", "_"))
            if param is None:
                others = [name for name in commands if key.replace("-", "_") in commands[name]]
                raise ConfigError(f"{path}: {_unknown(key, command, [*keys, *commands], others)}")
            kind = COMMA_LIST if param.metavar == COMMA_LIST else _kind(types_of[param.name])
            default = _value(kind, value)
            if default is None:
                raise ConfigError(f"{path}: {key} is {_short(value)}; give {_EXPECTED[kind]}")
            defaults[param.name] = default
    return defaults


def _read(path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a TOML file after --config") from None
    except (ValueError, RecursionError) as error:  # of UTF-8, or of TOML
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _keys(command: Any) -> dict[str, Any]:
    """Map the names that a file may use to the parameters of a command."""
    keys: dict[str, Any] = {}
    for param in command.params:
        long = [name[2:] for name in param.opts if name.startswith("--")] or [param.name]
        keys |= {name.replace("-", "_"): param for name in long if name != "config"}
    return keys


def _kind(annotation: Any) -> Any:
    """Return the type of a parameter, without None, the items of a list, or how paths are held."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        (annotation,) = set(typing.get_args(annotation)) - {type(None)}
    kind = typing.get_origin(annotation) or annotation
    return str if kind is Path else kind


def _value(kind: Any, value: Any) -> Any:
    """Return a value as the command line would give it; None for one of another type."""
    if kind is bool:
        return value if isinstance(value, bool) else None
    if kind is list:
        items = [value] if isinstance(value, str) else value
        texts = isinstance(items, list) and all(isinstance(item, str) for item in items)
        return items if texts else None
    if isinstance(value, str):
        return value if kind in (str, COMMA_LIST) else None
    if kind == COMMA_LIST and isinstance(value, list):
        return (",".join(map(str, value)) or "none") if all(map(is_whole, value)) else None
    if not (is_whole if kind in (int, COMMA_LIST) else is_number)(value):
        return None
    return str(value) if kind in (str, COMMA_LIST) else value


def _unknown(key: str, command: str, known: list[str], others: list[str]) -> str:
    """Say that a key is no option, with the nearest one."""
    what = f"fastlm {command} has no option {_short(key)}"
    if others:
        return f"{what}; fastlm {others[0]} has: move it to a table [{others[0]}]"
    near = nearest_name(key.replace("-", "_"), known)
    return f"{what}; did you mean {near}?" if near else f"{what}; see fastlm {command} --help"


def _short(value: Any) -> str:
    return reprlib.repr(value)
