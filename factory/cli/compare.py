"""`factory compare`: which training set is better for a student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from factory.cli.flags import Flag
from factory.cli.params import Out
from factory.cli.show import say, show
from factory.config.compare import CompareSection

if TYPE_CHECKING:
    from factory.evaluation.comparison import Comparison


def command(
    sets: Annotated[
        list[str], Flag("Runs, folders of training sets, or files of traces.", words=True, metavar="IN...")
    ],
    out: Out,
    settings: CompareSection,
) -> None:
    """Train the same student on each set, ask all students the same questions, and say which set is better.

    factory compare runs/a runs/b --out comparison
    """
    from factory.pipeline.compare import compare
    from factory.report.comparison import build_comparison

    found = compare(sets, out, settings)
    page = build_comparison(found, out)
    _show(found)
    say(f"report: {page}")


def _show(found: Comparison) -> None:
    rows = [
        (
            each.name,
            f"{each.rows:,}",
            f"{each.left_out:,}",
            f"{each.tokens_a_row:,.0f}",
            f"{each.passes:.1f}",
            f"{each.half_way:.1%}",
            f"{each.pass_at_1:.1%}",
            f"{each.seed_spread * 100:.1f}",
        )
        for each in found.sets
    ]
    heads = (
        "set",
        ">rows",
        ">left out",
        ">tokens per row",
        ">passes",
        ">halfway",
        ">pass@1",
        ">SD over seeds",
    )
    show(f"{found.student}: {found.tokens:,} tokens a student, {found.plan['steps']} steps", heads, rows)
    say(*found.verdicts, *found.warnings)
