"""`factory status`: what is in a response store, a step's folder or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from factory.cli.flags import Flag
from factory.cli.params import AsJson, run_folder
from factory.cli.show import counts, say, show
from factory.progress.line import clock, note_line
from factory.progress.live import STALE_SECONDS


def command(
    folder: Annotated[
        Path | None,
        Flag(
            "A response store, a step's folder, or a run's folder; the newest run by default.",
            words=True,
            metavar="[FOLDER]",
        ),
    ] = None,
    check: Annotated[
        bool,
        Flag("Read every byte, however large: each part, side table, stored response, mark and manifest."),
    ] = False,
    metrics: Annotated[
        bool, Flag("Print Prometheus text: rows, rates, failures by kind, tokens, dollars.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the steps that are done or running, the responses in the store, and which files are damaged.

    factory status runs/quickstart --check
    """
    import json

    from factory.errors import FactoryError, UsageError
    from factory.steps.status import read_status

    folder = run_folder(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", do="name a run, a step's folder or a store")
    found = read_status(folder, check=None if metrics and not check else check)
    if metrics:
        from factory.steps.metrics import prometheus

        print(prometheus(found), end="")  # noqa: T201
    elif as_json:
        print(json.dumps(found, indent=2))  # noqa: T201
    else:
        _show(found, folder)
        if found["faults"] is None:
            say("not every byte was read: factory status --check does", err=True)
        elif check and not found["faults"]:
            say("every byte was read: all is as it was written")
    if found["faults"]:
        raise FactoryError("\n".join(found["faults"]))


def _show(found: dict[str, Any], folder: Path) -> None:
    if found["steps"]:
        rows = [
            (
                row["step"],
                row["folder"],
                f"{row['rows_in']:,}",
                f"{row['rows_out']:,}",
                counts(row["dropped"]),
            )
            for row in found["steps"]
        ]
        show(f"steps in {folder}", ("step", "folder", ">in", ">out", "dropped"), rows)
    for row in found["running"]:
        still = f"; no news for {clock(row['age'])}, killed or waiting" if row["age"] > STALE_SECONDS else ""
        say(f"running: {note_line(row)}{still}")
    for store in found["stores"]:
        bought = [
            (
                row["sampler"],
                row["model"],
                row["status"],
                f"{row['responses']:,}",
                f"{row['completion_tokens'] or 0:,}",
                "-" if row["usd"] is None else f"{row['usd']:,.4f}",
            )
            for row in store["responses"]
        ]
        heads = ("sampler", "model", "status", ">responses", ">completion tokens", ">$")
        show(f"responses in {store['folder']}", heads, bought)
        say(f"{store['bytes'] / 2**20:,.1f} MiB on disk")
