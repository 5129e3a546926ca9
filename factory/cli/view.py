"""`factory view`: look at a run's tables in the browser."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from factory.cli.flags import Flag
from factory.cli.params import run_folder
from factory.cli.show import say


def command(
    run: Annotated[
        Path | None,
        Flag(
            "Folder of a run, or of a verb's output; the newest run by default.", words=True, metavar="[RUN]"
        ),
    ] = None,
    port: Annotated[int, Field(ge=0, le=65535), Flag("Port on 127.0.0.1; 0 takes a free one.")] = 8321,
) -> None:
    """Filter, search, compare and mark the rows of a run on a local web page (this machine only).

    factory view runs/quickstart
    """
    from factory.pipeline.checks import need

    need("the viewer", "viewer", "duckdb", "starlette", "uvicorn")
    from factory.report.step_folders import open_run
    from factory.report.viewer.serve import open_socket, serve

    run = run_folder(run)
    open_run(run, check=False)
    listening = open_socket(port)
    say(f"view  http://127.0.0.1:{listening.getsockname()[1]}/  (Ctrl-C stops it)")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a viewer is closed, not a failure
        serve(run, listening)
