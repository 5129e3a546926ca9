"""`factory view RUN`: look at a run's tables in the browser."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import typer


def command(
    run: Path = typer.Argument(..., help="Run folder, or the output folder of a verb."),
    port: int = typer.Option(8321, min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one."),
) -> None:
    """Filter, search, compare and mark the rows of a run on a local web page (this machine only)."""
    from importlib.util import find_spec

    from factory.errors import UsageError

    absent = [name for name in ("duckdb", "starlette", "uvicorn") if find_spec(name) is None]
    if absent:
        raise UsageError(
            f"the viewer needs {', '.join(absent)}", do='install it with: pip install "cot-factory[viewer]"'
        )
    from factory.report.tables import open_run
    from factory.report.viewer.serve import open_socket, serve

    open_run(run, check=False)
    listening = open_socket(port)
    typer.echo(f"view  http://127.0.0.1:{listening.getsockname()[1]}/  (Ctrl-C stops it)")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a viewer is closed, not a failure
        serve(run, listening)
