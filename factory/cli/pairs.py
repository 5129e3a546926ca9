"""`factory pairs`: preference pairs from verified responses, and their lint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from factory.cli.flags import Flag
from factory.cli.manifest_of import manifest_of
from factory.cli.params import Prompting, Seed
from factory.cli.show import counts, say, show
from factory.config.preference import PreferenceSection


def command(
    inputs: Annotated[
        list[str],
        Flag("Verified responses (files, folders, globs) of the teacher.", words=True, metavar="IN..."),
    ],
    out: Annotated[Path, Flag("Folder for the pairs; the lint goes to OUT/lint.json.")],
    settings: PreferenceSection,
    prompting: Prompting,
    rollouts: Annotated[
        list[str], Flag("The student's verified rollouts (OUT/rollouts of `factory difficulty`).")
    ] = [],  # noqa: B006
    against: Annotated[
        list[Path],
        Flag("Folder (RL prompts, evaluation set) whose problems must not be paired; repeat for more."),
    ] = [],  # noqa: B006
    seed: Seed = 0,
) -> None:
    """Pair right with wrong answers of the same problem; fails when the lint finds a bias.

    Wrong answers are the teacher's, and with --rollouts the student's too, unless --rejected-from says otherwise.

    factory pairs verdicts/ --rollouts difficulty/rollouts --out pairs
    """
    from factory.sources.paths import refuse_own_input
    from factory.steps import preference

    if "rejected_from" not in settings.model_fields_set:
        settings = settings.model_copy(update={"rejected_from": "both" if rollouts else "teacher"})
    refuse_own_input(out, [*inputs, *rollouts, *against])
    before = manifest_of(out)
    verdicts = preference.take_in(inputs, out / "input" / "responses")
    student = preference.take_in(rollouts, out / "input" / "rollouts") if rollouts else None
    manifest = preference.run(
        verdicts,
        student,
        out,
        settings,
        seed=seed,
        prompt=prompting.prompt,
        system=prompting.system,
        exclude=against,
    )
    if manifest == before:
        say(f"{out} is up to date, nothing to do")
    _show(manifest, out)


def _show(manifest: dict[str, Any], out: Path) -> None:
    rows = [
        (check["name"], f"{check['value']:.3f}", f"{check['limit']:g}", "yes" if check["passed"] else "no")
        for check in manifest["totals"]["lint"]["checks"]
    ]
    show(f"lint of the pairs in {out}", ("check", ">value", ">limit", "passed"), rows)
    say(f"{manifest['rows_out']:,} pairs; left out: {counts(manifest['dropped'])}")
    if cost := manifest["totals"]["match_length"]:
        say(
            f"matching lengths cost {cost['dropped']:,} pairs ({cost['share']:.1%}): Cohen's d from "
            f"{cost['bias_before']:.2f} to {cost['bias_after']:.2f}"
        )
