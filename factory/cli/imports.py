"""`factory import`: problems and responses from files of any layout."""

from __future__ import annotations

from typing import Annotated

from pydantic import ValidationError

from factory.cli.flags import Flag, Use
from factory.cli.params import Out
from factory.cli.show import show
from factory.config.base import faults
from factory.config.problems import ReadingSection, SourceSection
from factory.errors import UsageError


def command(
    inputs: Annotated[
        list[str],
        Flag("Files, folders, globs or Hub sets (hf://datasets/OWNER/NAME).", words=True, metavar="IN..."),
    ],
    out: Out,
    settings: Annotated[ReadingSection, Use(skip=("fields",))],
    fields: Annotated[
        list[str], Flag("Where a field is: --fields answer=reward_model.ground_truth.", metavar="ROLE=PATH")
    ] = [],  # noqa: B006 - read only
) -> None:
    """Bring files of any layout to problems and the responses that came with them.

    factory import traces.parquet --out mine
    """
    from factory.cli.ending import say_end
    from factory.steps.imports import run

    named = dict(_pair(each) for each in fields)
    said = settings.model_dump(exclude={"fields"})
    try:
        sources = [SourceSection(**said, path=each, fields=named) for each in inputs]
    except ValidationError as error:
        raise UsageError("\n".join(what for _, what, _ in faults(error, SourceSection))) from error
    results = run(sources, out / "problems", out / "responses")
    rows = []
    for result, name in zip(results, ("problems", "responses"), strict=False):
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in result.manifest["dropped"].items())
        rows.append((name, f"{result.manifest['rows_out']:,}", dropped or "-"))
    show("imported", ("table", ">rows", "dropped"), rows)
    for result, name in zip(results, ("problems", "responses"), strict=False):
        say_end(result, out / name)


def _pair(text: str) -> tuple[str, str]:
    role, equals, path = text.partition("=")
    if not (role and equals and path):
        raise UsageError(
            f"--fields {text} is not ROLE=PATH", do="such as --fields problem=messages[0].content"
        )
    return role.strip(), path.strip()
