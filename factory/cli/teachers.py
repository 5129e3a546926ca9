"""`factory teachers`: who can be asked."""

from __future__ import annotations

import typer


def command(name: str | None = typer.Argument(None, help="Show one teacher in full.")) -> None:
    """List the presets: endpoint, model, key variable, dated prices."""
    from rich.console import Console
    from rich.table import Table

    from factory.sampling.presets import LOCAL, PRESETS

    console = Console()
    if name is not None:
        _show_one(name)
        return
    table = Table(title="teachers", title_justify="left")
    for column in ("name", "model", "key", "$ per M tokens in / out"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for preset in PRESETS.values():
        prices = preset.prices
        table.add_row(
            preset.name,
            preset.model or "--model",
            _key(preset.key_env),
            f"{prices.prompt:g} / {prices.completion:g} ({prices.dated})" if prices else "--price",
        )
    console.print(table)
    console.print(
        "prices: the provider's list on that day, peak hours, cache miss; unverified since, so look them up before a "
        "large job and give --price IN,OUT where they changed"
    )
    console.print("endpoint, price list and all else of one teacher: factory teachers NAME")
    local = Table(title="on this machine", title_justify="left")
    local.add_column("name")
    local.add_column("what")
    for local_name, what in LOCAL.items():
        local.add_row(local_name, what)
    console.print(local)


def _key(variable: str | None) -> str:
    import os

    if variable is None:
        return "none"
    return f"{variable} ({'set' if os.environ.get(variable) else 'not set'})"


def _show_one(name: str) -> None:
    from dataclasses import asdict

    from factory.errors import UsageError
    from factory.sampling.presets import LOCAL, PRESETS

    if name in LOCAL:
        typer.echo(f"{name}: {LOCAL[name]}")
        return
    if name not in PRESETS:
        raise UsageError(f"no teacher called {name}", do=f"choose one of: {', '.join([*PRESETS, *LOCAL])}")
    for field, value in asdict(PRESETS[name]).items():
        typer.echo(f"{field:18} {_key(value) if field == 'key_env' else value}")
