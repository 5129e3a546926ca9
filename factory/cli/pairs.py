"""`factory pairs`: preference pairs from verified responses, and their lint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def command(
    inputs: list[str] = typer.Argument(
        ...,
        metavar="IN...",
        help="Verified responses (files, folders, globs): the chosen ones are among them.",
    ),
    out: Path = typer.Option(..., "--out", help="Folder for the pairs; the lint goes to OUT/lint.json."),
    rollouts: list[str] = typer.Option(
        [], "--rollouts", help="The student's verified rollouts (OUT/rollouts of `factory difficulty`)."
    ),
    chosen_from: str = typer.Option(
        "teacher",
        "--chosen-from",
        help="teacher (IN), student (--rollouts) or both: whose right answers are chosen.",
    ),
    rejected_from: str = typer.Option(
        None, "--rejected-from", help="teacher, student, both or delta; both when --rollouts is given."
    ),
    rule: str = typer.Option(
        "nearest_length", "--rule", help="nearest_length, hardest_negative, most_different or longest_chosen."
    ),
    per_problem: int = typer.Option(1, "--per-problem", min=1, help="Pairs a problem."),
    max_pairs: int | None = typer.Option(None, "--max-pairs", min=1, help="At most N, balanced."),
    allow_truncated: bool = typer.Option(False, "--allow-truncated", help="Cut responses may be rejected."),
    match_length: bool = typer.Option(
        False, "--match-length", help="Drop pairs until the length bias meets its limit."
    ),
    max_length_bias: float = typer.Option(0.5, "--max-length-bias", help="Lint: limit of |Cohen's d|."),
    max_format_bias: float = typer.Option(0.1, "--max-format-bias", help="Lint: limit of a format's share."),
    against: list[Path] = typer.Option(
        [], "--against", help="Folders (RL prompts, evaluation sets) whose problems must not be paired."
    ),
    prompt: str = typer.Option("{problem}", "--prompt", help="User message with {problem} in it."),
    system: str | None = typer.Option(None, "--system", help="System message."),
    seed: int = typer.Option(0, "--seed"),
) -> None:
    """Pair right with wrong answers of the same problem; fails when the lint finds a bias."""
    from pydantic import ValidationError

    from factory.cli.manifest_of import manifest_of
    from factory.config.preference import PreferenceSection
    from factory.errors import UsageError
    from factory.sources.paths import refuse_own_input
    from factory.steps import preference

    try:
        section = PreferenceSection(
            chosen_from=chosen_from,  # type: ignore[arg-type]  # pydantic checks it
            rejected_from=rejected_from or ("both" if rollouts else "teacher"),  # type: ignore[arg-type]
            rule=rule,  # type: ignore[arg-type]
            per_problem=per_problem,
            max_pairs=max_pairs,
            allow_truncated=allow_truncated,
            match_length=match_length,
            max_length_bias=max_length_bias,
            max_format_bias=max_format_bias,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error
    refuse_own_input(out, [*inputs, *rollouts, *against])
    before = manifest_of(out)
    verdicts = preference.take_in(inputs, out / "input" / "responses")
    student = preference.take_in(rollouts, out / "input" / "rollouts") if rollouts else None
    manifest = preference.run(
        verdicts, student, out, section, seed=seed, prompt=prompt, system=system, exclude=against
    )
    if manifest == before:
        typer.echo(f"{out} is up to date, nothing to do")
    _show(manifest, out)


def _show(manifest: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"lint of the pairs in {out}", title_justify="left")
    for name in ("check", "value", "limit", "passed"):
        table.add_column(name)
    for check in manifest["totals"]["lint"]["checks"]:
        table.add_row(
            check["name"], f"{check['value']:.3f}", f"{check['limit']:g}", "yes" if check["passed"] else "no"
        )
    console = Console()
    console.print(table)
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in manifest["dropped"].items()) or "nothing"
    console.print(f"{manifest['rows_out']:,} pairs; left out: {dropped}")
    if cost := manifest["totals"]["match_length"]:
        console.print(
            f"matching lengths cost {cost['dropped']:,} pairs ({cost['share']:.1%}): Cohen's d from "
            f"{cost['bias_before']:.2f} to {cost['bias_after']:.2f}"
        )
