"""`factory schema`: the columns of the tables and the keys of a recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from factory.cli.flags import Flag
from factory.cli.params import AsJson
from factory.cli.show import say, show


def command(
    name: Annotated[
        str | None, Flag("A table, or `recipe`; all names when left out.", words=True, metavar="[NAME]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a table's columns, or every key that a recipe may have.

    factory schema recipe
    """
    from factory.config.base import did_you_mean
    from factory.errors import UsageError
    from schemas import TABLES

    if name == "recipe":
        _recipe(as_json)
    elif name in TABLES:
        _table(name, as_json)
    elif name is not None:
        names = [*TABLES, "recipe"]
        near = did_you_mean(name, names)
        raise UsageError(f"no table {name}", do=f"{near or ''} choose one of: {', '.join(names)}".strip())
    elif as_json:
        _json([*TABLES, "recipe"])
    else:
        for table in TABLES.values():
            say(f"{table.name:<12} {len(table.columns):>3} columns, version {table.version}")
        say("recipe           every key of a recipe file")


def _table(name: str, as_json: bool) -> None:
    from schemas import TABLES

    table = TABLES[name]
    if as_json:
        columns = [
            {"name": c.name, "type": str(c.type), "required": c.required, "clock": c.clock, "doc": c.doc}
            for c in table.columns
        ]
        _json({"table": name, "version": table.version, "columns": columns})
        return
    rows = [(c.name, str(c.type), "required" if c.required else "", c.doc) for c in table.columns]
    show(f"{name}, version {table.version}", ("column", "type", "", "what it holds"), rows)


def _recipe(as_json: bool) -> None:
    from factory.config.recipe import Recipe

    if as_json:
        _json(Recipe.model_json_schema())
    else:
        show("recipe", ("key", "type", "default", "what it does"), recipe_keys(Recipe))


def _json(value: Any) -> None:
    print(json.dumps(value, indent=2))  # noqa: T201


def recipe_keys(section: Any, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every key of a section and of the sections in it, by dotted name."""
    from pydantic_core import PydanticUndefined

    from factory.config.base import items_of, section_of

    for name, field in section.model_fields.items():
        if name in section.for_verbs:
            continue
        doc = " ".join((field.description or "").split())
        if (inner := section_of(field.annotation)) is not None:
            yield f"{prefix}{name}", "section", "", doc
            yield from recipe_keys(inner, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        missing = default is PydanticUndefined
        shown = "required" if missing else json.dumps(default, ensure_ascii=False, default=str)
        if (item := items_of(field.annotation)) is not None:
            yield f"{prefix}{name}", "list[str or mapping]", shown, doc
            yield from recipe_keys(item, f"{prefix}{name}[].")
            continue
        yield f"{prefix}{name}", _kind(field.annotation), shown, doc


def _kind(annotation: Any) -> str:
    """A type in words: the values of a closed set, names without their modules, `null` for none."""
    origin, members = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(str(each.value) for each in annotation)
    if origin is Annotated:
        return _kind(members[0])
    if origin is Literal:
        return " or ".join(map(str, members))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_kind, members)))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_kind, members))}]"
    return str(getattr(annotation, "__name__", annotation))
