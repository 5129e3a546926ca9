"""`factory schema`: the columns of the tables and the keys of a recipe, with their docs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer


def command(
    name: str = typer.Argument(None, help="A table, or `recipe`; all names when left out."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON (for `recipe`: its JSON Schema)."),
) -> None:
    """Print a table's columns, or every key that a recipe may have."""
    from factory.errors import UsageError
    from schemas import TABLES

    if name == "recipe":
        _recipe(as_json)
    elif name in TABLES:
        _table(name, as_json)
    elif name is None:
        _names(as_json)
    else:
        raise UsageError(f"no table {name}", do=f"choose one of: {', '.join([*TABLES, 'recipe'])}")


def _names(as_json: bool) -> None:
    from schemas import TABLES

    if as_json:
        typer.echo(json.dumps([*TABLES, "recipe"]))
        return
    for name, table in TABLES.items():
        typer.echo(f"{name:<12} {len(table.columns):>3} columns, version {table.version}")
    typer.echo("recipe           every key of a recipe file")


def _table(name: str, as_json: bool) -> None:
    from schemas import TABLES

    table = TABLES[name]
    if as_json:
        columns = [
            {"name": c.name, "type": str(c.type), "required": c.required, "clock": c.clock, "doc": c.doc}
            for c in table.columns
        ]
        typer.echo(json.dumps({"table": name, "version": table.version, "columns": columns}, indent=2))
        return
    rows = [(c.name, str(c.type), "required" if c.required else "", c.doc) for c in table.columns]
    _print(f"{name}, version {table.version}", ("column", "type", "", "what it holds"), rows)


def _recipe(as_json: bool) -> None:
    from factory.config import Recipe

    if as_json:
        typer.echo(json.dumps(Recipe.model_json_schema(), indent=2))
        return
    _print("recipe", ("key", "type", "default", "what it does"), list(_keys(Recipe)))


def _keys(section: Any, prefix: str = "") -> Any:
    """Every key of a section and of the sections in it, by dotted name."""
    from pydantic import BaseModel
    from pydantic_core import PydanticUndefined

    for name, field in section.model_fields.items():
        inner = next(
            (t for t in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is(t, BaseModel)),
            None,
        )
        if inner is not None:
            yield (f"{prefix}{name}", "section", "", " ".join((field.description or "").split()))
            yield from _keys(inner, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        shown = (
            "required"
            if default is PydanticUndefined
            else json.dumps(default, ensure_ascii=False, default=str)
        )
        kind = str(field.annotation) if not isinstance(field.annotation, type) else field.annotation.__name__
        yield (
            f"{prefix}{name}",
            kind.replace("typing.", ""),
            shown,
            " ".join((field.description or "").split()),
        )


def _is(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _print(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(escape(value) for value in row))
    Console().print(table)
