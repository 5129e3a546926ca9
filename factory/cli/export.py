"""`factory export`: training sets in the formats of other trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from factory.cli.flags import Flag
from factory.cli.params import Out, run_folder
from factory.cli.show import counts, say
from factory.config.trainers import Trainer


def command(
    out: Out,
    trainer: Annotated[
        Trainer, Flag(f"The trainer: {', '.join(get_args(Trainer))}.", name="for", metavar="NAME")
    ],
    source: Annotated[
        Path | None,
        Flag("A run, or the folder of a set; the newest run by default.", words=True, metavar="[IN]"),
    ] = None,
    reasoning: Annotated[
        Literal["tags", "field", "none"] | None,
        Flag(
            "Traces between think tags, in a field reasoning_content, or left out; by default as the trainer takes it."
        ),
    ] = None,
    system: Annotated[
        str | None, Flag('System message of every row; "" for none, the sets\' own by default.')
    ] = None,
    student: Annotated[
        str | None, Flag("Model to train, for the commands; a folder's chat template is tried on a row.")
    ] = None,
) -> None:
    """Write a run's sets, or one set, for another trainer, with the command that trains on them.

    factory export runs/quickstart --for axolotl --out axolotl
    """
    from factory.publishing.trainer_exports import export_sets

    taken = run_folder(source)
    done, left_out, files = export_sets(
        taken, out, trainer, reasoning=reasoning, system=system, model=student
    )
    for name, why in left_out.items():
        say(f"{name} left out: {trainer}: {why}")
    for name, result in done.items():
        lost = counts(result.manifest["dropped"]) if result.manifest["rows_dropped"] else ""
        say(
            f"{out / name / result.summary.file}: {result.manifest['rows_out']:,} rows"
            + (f"; left out: {lost}" if lost else "")
        )
    say(
        f"beside them: {', '.join(sorted(files))}",
        "",
        *files["HOW_TO_TRAIN.md"].split("```")[1].strip().split("\n"),
    )
