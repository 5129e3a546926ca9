"""A verb's command line, generated from its function: plain parameters, and recipe sections field by field.

`factory.config` is the only home of a setting's default, bounds and help. A verb says which sections it takes:

    def command(inputs: Inputs, out: Out, settings: VerifySection) -> None: ...

Every field of `VerifySection` is then a flag, `--max-tokens` for `max_tokens`. A section in a section becomes flags with
its name before them (`--judge-model`), and its required field has that name alone (`--judge NAME`). Only what was
typed is handed over, so the section fills in its own defaults. All mistakes are reported at once, by the flag as typed.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource
from pydantic import ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from factory.cli.show import as_json
from factory.config.base import Section, faults, section_of
from factory.errors import UsageError

METAVARS: dict[Any, str] = {int: "N", float: "X", Path: "PATH", str: "TEXT", bool: ""}


@dataclass(frozen=True, slots=True)
class Flag:
    """A parameter that is the verb's own."""

    help: str
    name: str = ""
    """The flag without its dashes, when it is not the parameter's name; `a/b` is a switch with both names."""
    metavar: str = ""
    words: bool = False
    """Positional: given by its place."""


@dataclass(frozen=True, slots=True)
class Use:
    """Which fields of a section a verb takes, and under which names."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """Dotted field to the flag without its dashes; ` ` before a second name that works but is not shown."""
    words: str = ""
    """The field that is given by its place."""
    metavar: str = "IN..."


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One value of the command line and where it goes."""

    path: tuple[str, ...]
    """Parameter of the function, then fields of its section."""
    info: FieldInfo
    flag: str
    group: str = ""
    help: str = ""
    metavar: str = ""
    words: bool = False
    optional: bool = False
    """Required of its section, which is itself optional."""

    @property
    def key(self) -> str:
        """Its name for the parser."""
        return "__".join(self.path)

    @property
    def shown(self) -> str:
        """Its name for the user."""
        return self.metavar.strip("[].") if self.words else f"--{self.flag.split('/')[0].split()[0]}"


@dataclass(frozen=True, slots=True)
class _Outer:
    """The field that holds a section: its flag is the flag of the section's first required field."""

    flag: str
    help: str
    group: str


class _Command(click.Command):
    """Help in groups: what is given by its place, the verb's own flags, then those of each section."""

    groups: Mapping[str, list[tuple[str, str]]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups."""
        for title, rows in self.groups.items():
            with formatter.section(title):
                formatter.write_dl(rows, col_max=26)


JSON = "as_json__"
"""The key of `--json`, which every verb has that comes to an end."""


def build_command(name: str, function: Callable[..., None], *, ends: bool = True) -> click.Command:
    """The command line of a verb's function; a verb that ends has `--json`, its own or that of `show.as_json`."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    sections = {p: kind for p in signature.parameters if (kind := _section(hints[p])) is not None}
    own = _own_model(
        {p: (hints[p], signature.parameters[p].default) for p in hints if p in signature.parameters}, sections
    )
    leaves: list[_Leaf] = []
    for parameter in signature.parameters:
        if parameter in sections:
            leaves += _walk(sections[parameter], (parameter,), _extra(hints[parameter], Use) or Use())
        else:
            leaves.append(_own_leaf(parameter, own.model_fields[parameter], _extra(hints[parameter], Flag)))
    leaves.sort(key=lambda leaf: not leaf.words)
    params = [param for leaf in leaves for param in _params(leaf)]
    adds_json = ends and all(leaf.flag != "json" for leaf in leaves)

    def callback(**values: Any) -> None:
        source = click.get_current_context().get_parameter_source
        given = {
            p.name: values[p.name] for p in params if p.name and source(p.name) is ParameterSource.COMMANDLINE
        }
        with as_json(name) if values.get(JSON) else nullcontext():
            function(**_read(own, sections, leaves, given, name))

    shown = "Print what the verb ends with as JSON."
    added = [click.Option([JSON, "--json"], is_flag=True, help=shown)] if adds_json else []
    command = _Command(
        name,
        callback=callback,
        params=[*params, *added],
        help=_prose(function),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    command.groups = _groups(leaves, params)
    if adds_json:
        command.groups["Options"].insert(-1, ("--json", shown))
    return command


def _section(hint: Any) -> type[Section] | None:
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _extra(hint: Any, kind: type) -> Any:
    return next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, kind)), None)


def _own_model(parameters: Mapping[str, tuple[Any, Any]], sections: Mapping[str, Any]) -> type[Section]:
    fields: dict[str, Any] = {
        name: (hint, ... if default is inspect.Parameter.empty else default)
        for name, (hint, default) in parameters.items()
        if name not in sections
    }
    return create_model("Own", __base__=Section, __config__=None, **fields)


def _own_leaf(name: str, info: FieldInfo, flag: Flag | None) -> _Leaf:
    flag = flag or Flag("")
    return _Leaf(
        (name,), info, flag.name or name.replace("_", "-"), "Options", flag.help, flag.metavar, flag.words
    )


def _walk(
    model: type[Section], path: tuple[str, ...], use: Use, outer: _Outer | None = None
) -> Iterator[_Leaf]:
    """The fields of a section and of the sections in it; the class's own stand before those that it inherits."""
    own = inspect.get_annotations(model)
    for name, info in sorted(model.model_fields.items(), key=lambda item: item[0] not in own):
        if len(path) == 1 and (name in use.skip or (use.only and name not in use.only)):
            continue
        dotted = ".".join((*path[1:], name))
        if dotted in use.skip:
            continue
        stem = use.names.get(dotted) or (f"{outer.flag}-" if outer else "") + name.replace("_", "-")
        group = f"With --{outer.flag}" if outer else _home(model, name)
        inner = section_of(info.annotation)
        if inner is not None:
            yield from _walk(inner, (*path, name), use, _Outer(stem, info.description or "", group))
        elif outer and name == next((n for n, each in model.model_fields.items() if each.is_required()), ""):
            yield _Leaf((*path, name), info, outer.flag, outer.group, outer.help, optional=True)
        else:
            words = dotted == use.words
            metavar = use.metavar if words else ""
            yield _Leaf((*path, name), info, stem, group, info.description or "", metavar, words)


def _home(model: type[Section], name: str) -> str:
    """Heading of a field's group: the first sentence of the class that defines it."""
    home = next((kind for kind in model.__mro__ if name in inspect.get_annotations(kind)), model)
    return " ".join((inspect.getdoc(home) or "").split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def _params(leaf: _Leaf) -> Iterator[click.Parameter]:
    kind = _inner(leaf.info.annotation)
    many = get_origin(kind) in (list, dict)
    if leaf.words:
        yield click.Argument([leaf.key], nargs=-1 if many else 1, required=False, metavar=leaf.metavar)
        return
    for place, spelling in enumerate(leaf.flag.split()):
        on, _, off = spelling.partition("/")
        key = leaf.key if place == 0 else f"{leaf.key}____{place}"
        if kind is bool:
            off = off or (f"no-{on}" if leaf.info.get_default() is True else "")
            names = f"--{on}/--{off}" if off else f"--{on}"
            yield click.Option([key, names], is_flag=True, default=None, hidden=place > 0)
        else:
            metavar = leaf.metavar or _metavar(kind)
            yield click.Option([key, f"--{on}"], multiple=many, metavar=metavar, hidden=place > 0)


def _inner(annotation: Any) -> Any:
    """A type without `None` and annotations."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [each for each in get_args(annotation) if each is not type(None)]
        return _inner(members[0]) if len(members) == 1 else annotation
    return annotation


def _metavar(kind: Any) -> str:
    kind = _inner(kind)
    origin, members = get_origin(kind), get_args(kind)
    if origin is list:
        return "KEY=VALUE,KEY=VALUE" if section_of(members[0]) is not None else _metavar(members[0])
    if origin is tuple:
        return ",".join(map(_metavar, members))
    if origin is dict:
        return f"{_metavar(members[0]).replace('TEXT', 'NAME')}={_metavar(members[1])}"
    if origin is Literal:
        return "|".join(map(str, members))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(each.value) for each in kind)
    if members:
        return "|".join(map(_metavar, members))
    return METAVARS.get(kind, "TEXT")


def _groups(leaves: list[_Leaf], params: list[click.Parameter]) -> dict[str, list[tuple[str, str]]]:
    by_key = {param.name: param for param in params}
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    context = click.Context(click.Command("help"))
    for leaf in leaves:
        param = by_key[leaf.key]
        said = " ".join((leaf.help + _note(leaf.info, required=not (leaf.words or leaf.optional))).split())
        if isinstance(param, click.Option):
            record = param.get_help_record(context)
            groups.setdefault(leaf.group, []).append((record[0] if record else "", said))
        else:
            groups["Arguments"].append((leaf.metavar, said))
    groups["Options"].append(("-h, --help", "Show this page and exit."))
    return {title: rows for title, rows in groups.items() if rows}


def _note(info: FieldInfo, *, required: bool) -> str:
    if info.is_required():
        return " [required]" if required else ""
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value is False or value in ("", [], (), {}):
        return ""
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return f" [default: {'yes' if value is True else shown}]"


def _prose(function: Callable[..., None]) -> str:
    """The docstring; commands in it keep their lines."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    shown = (each.strip().replace("\n", "\n  ") for each in paragraphs)
    return "\n\n".join(f"\b\n  {each}" if each.startswith("factory ") else each for each in shown)


def _read(
    own: type[Section],
    sections: Mapping[str, type[Section]],
    leaves: list[_Leaf],
    given: Mapping[str, Any],
    verb: str,
) -> dict[str, Any]:
    """The function's arguments.

    Raises:
        UsageError: one line for each flag that cannot be used.
    """
    data: dict[str, Any] = {}
    typed: dict[tuple[str, ...], str] = {leaf.path: leaf.shown for leaf in leaves}
    for leaf in leaves:
        for place, spelling in enumerate(leaf.flag.split()):
            key = leaf.key if place == 0 else f"{leaf.key}____{place}"
            if key in given:
                typed[leaf.path] = leaf.shown if leaf.words else f"--{spelling.partition('/')[0]}"
                _put(data, leaf.path, _value(given[key], leaf.info, typed[leaf.path]))
    lines: list[str] = []
    arguments: dict[str, Any] = {}
    for name, model in sections.items():
        try:
            arguments[name] = model.model_validate(data.pop(name, {}))
        except ValidationError as error:
            lines += [_line(typed, (name, *path), what, do) for path, what, do in faults(error, model)]
    try:
        options = own.model_validate(data)
        arguments |= {name: getattr(options, name) for name in own.model_fields}
    except ValidationError as error:
        lines += [_line(typed, path, what, do) for path, what, do in faults(error, own)]
    if lines:
        raise UsageError(
            "\n".join(lines), do=f"factory {verb} --help" if lines[0].endswith("is missing") else None
        )
    return arguments


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *sections, last = path
    for section in sections:
        data = data.setdefault(section, {})
    data[last] = value


def _value(raw: Any, info: FieldInfo, flag: str) -> Any:
    kind = _inner(info.annotation)
    if isinstance(raw, tuple) and get_origin(kind) is dict:
        return dict(_pair(each, flag) for each in raw)
    if isinstance(raw, tuple):
        of_sections = section_of(get_args(kind)[0]) is not None
        return (
            [dict(_pair(part, flag) for part in each.split(",")) for each in raw]
            if of_sections
            else list(raw)
        )
    if raw == "" and kind is Path:
        return None  # Path("") is the folder we are in, which nobody means
    return raw.split(",") if get_origin(kind) is tuple else raw


def _pair(text: str, flag: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value):
        raise UsageError(f"{flag} {text} is not of the form NAME=VALUE")
    return name.strip(), value


def _line(typed: Mapping[tuple[str, ...], str], path: tuple[str, ...], what: str, do: str | None) -> str:
    """A mistake under the name that the user typed; of a nested section's own rule, under its flag."""
    flag = typed.get(path) or next((name for own, name in typed.items() if own[: len(path)] == path), "")
    if len(path) == 1 and path not in typed:
        flag = ""
    named = f"{flag} {what}" if what == "is missing" else f"{flag}: {what}"
    return named.removeprefix(": ") + (f" - {do}" if do else "")
