"""`factory pairs`: preference pairs from verified responses, and their lint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from factory.cli.flags import Flag
from factory.cli.params import Prompting, Seed
from factory.cli.show import counts, say, show
from factory.config.preference import PreferenceSection

if TYPE_CHECKING:
    from factory.run.step import StepResult
    from factory.steps.preference import Paired


def command(
    inputs: Annotated[
        list[str],
        Flag("Verified responses (files, folders, globs) of the teacher.", words=True, metavar="IN..."),
    ],
    out: Annotated[Path, Flag("Folder for the pairs; the lint goes to OUT/__side/lint.json.")],
    settings: PreferenceSection,
    prompting: Prompting,
    rollouts: Annotated[
        list[str], Flag("The student's verified rollouts (OUT/__rollouts of `factory difficulty`).")
    ] = [],  # noqa: B006
    against: Annotated[
        list[Path],
        Flag("Folder (RL prompts, evaluation set) whose problems must not be paired; repeat for more."),
    ] = [],  # noqa: B006
    seed: Seed = 0,
) -> None:
    """Pair right with wrong answers of the same problem; fails when the lint finds a bias.

    Wrong answers are the teacher's, and with --rollouts the student's too, unless --rejected-from says otherwise.

    factory pairs verdicts/ --rollouts difficulty/__rollouts --out pairs
    """
    from factory.cli.ending import say_end
    from factory.steps.from_files import pair

    result = pair(inputs, rollouts, out, settings, prompting, exclude=against, seed=seed)
    _show(result, out)
    say_end(result, out)


def _show(result: StepResult[Paired], out: Path) -> None:
    found, manifest = result.summary, result.manifest
    rows = [
        (check["name"], f"{check['value']:.3f}", f"{check['limit']:g}", "yes" if check["passed"] else "no")
        for check in found.lint["checks"]
    ]
    show(f"lint of the pairs in {out}", ("check", ">value", ">limit", "passed"), rows)
    say(f"{manifest['rows_out']:,} pairs; left out: {counts(manifest['dropped'])}")
    if cost := found.match_length:
        say(
            f"matching lengths cost {cost['dropped']:,} pairs ({cost['share']:.1%}): Cohen's d from "
            f"{cost['bias_before']:.2f} to {cost['bias_after']:.2f}"
        )
