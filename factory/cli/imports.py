"""`factory import`: problems and responses from files of any layout."""

from __future__ import annotations

from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import Out, sources_of
from factory.cli.show import show
from factory.config.problems import ReadingSection


def command(
    inputs: Annotated[
        list[str],
        Flag("Files, folders, globs or Hub sets (hf://datasets/OWNER/NAME).", words=True, metavar="IN..."),
    ],
    out: Out,
    settings: ReadingSection,
) -> None:
    """Bring files of any layout to problems and the responses that came with them.

    factory import traces.parquet --out mine
    """
    from factory.cli.ending import say_end
    from factory.steps.imports import run

    sources = sources_of(inputs, settings)
    results = run(sources, out / "problems", out / "responses")
    rows = []
    for result, name in zip(results, ("problems", "responses"), strict=False):
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in result.manifest["dropped"].items())
        rows.append((name, f"{result.manifest['rows_out']:,}", dropped or "-"))
    show("imported", ("table", ">rows", "dropped"), rows)
    for result, name in zip(results, ("problems", "responses"), strict=False):
        say_end(result, out / name)
