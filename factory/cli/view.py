"""`factory view`: look at a run's tables in the browser."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from factory.cli.flags import Flag
from factory.cli.params import run_folder
from factory.cli.show import say

Name = Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]


def command(
    run: Annotated[
        Path | None,
        Flag(
            "Folder of a run, or of a verb's output; the newest run by default.", words=True, metavar="[RUN]"
        ),
    ] = None,
    port: Annotated[int, Field(ge=0, le=65535), Flag("Port; 0 takes a free one.")] = 8321,
    host: Annotated[
        str, Flag("Address to listen on. Any but this machine's own needs the token that is printed.")
    ] = "127.0.0.1",
    reviewer: Annotated[
        Name, Flag("Whose marks are shown and written, when several people review the same rows.")
    ] = "",
    browser: Annotated[bool, Flag("Open the page in a browser, when there is a screen.")] = True,
    bundle: Annotated[
        Path | None, Flag("Write a static copy for others into this folder instead of serving.")
    ] = None,
    rows: Annotated[int, Field(ge=1), Flag("Rows of each table in a static copy, in pages of 50.")] = 50,
) -> None:
    """Read, filter, search, compare and mark the rows of a run on a local web page.

    factory view runs/quickstart
    """
    from factory.pipeline.checks import need

    need("the viewer", "viewer", "duckdb", "starlette", "uvicorn")
    from factory.report.step_folders import open_run
    from factory.report.viewer.serve import (
        address,
        can_open_browser,
        from_elsewhere,
        new_token,
        open_socket,
        serve,
    )

    run = run_folder(run)
    tables = open_run(run, check=False)
    if bundle is not None:
        from factory.report.viewer.bundle import write_bundle

        pages, size = write_bundle(tables, bundle, rows=rows)
        say(f"bundle  {bundle / 'index.html'}  {pages:,} pages, {size / 1e6:,.1f} MB")
        return
    listening = open_socket(port, host)
    port, token = listening.getsockname()[1], new_token(host)
    url = address(host, port, token)
    say(f"view  {url}  (Ctrl-C stops it)")
    if token is None and (line := from_elsewhere(port)):
        say(f"from your own machine: {line}  and then open {url}")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a viewer is closed, not a failure
        serve(
            run,
            listening,
            token=token,
            reviewer=reviewer,
            browse=url if browser and can_open_browser() else None,
        )
