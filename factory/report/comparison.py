"""The page of a comparison of training sets: which is better, how sure that is, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from factory.atomic import atomic_path
from factory.evaluation.statistics import Interval
from factory.report.blocks import Note, Section, grid
from factory.report.build import page
from factory.report.plots import intervals

if TYPE_CHECKING:
    from factory.evaluation.comparison import Comparison, Worth

PAGE = "comparison.html"


def build_comparison(found: Comparison, out: Path, worths: Sequence[Worth] = ()) -> Path:
    """Write `out/comparison.html`; returns it. `worths` are the decisions of a ladder that made the sets."""
    cards = [
        (f"{each.pass_at_1:.1%}", each.name, f"pass@1, {each.rows:,} rows, read {each.passes:.1f} times")
        for each in found.sets
    ]
    text = page(
        name="Comparison of training sets",
        description=f"{found.student} trained on each set: {found.seeds} students per set, {found.tokens:,} tokens each, asked "
        f"{found.questions} questions that none has seen.",
        seed=None,
        cards=cards,
        sections=[
            *([_worth(worths)] if worths else []),
            _answer(found),
            _sets(found),
            *([_where(found)] if found.groups else []),
        ],
        versions=[],
    )
    path = out / PAGE
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8", errors="replace")
    return path


def _worth(worths: Sequence[Worth]) -> Section:
    heads = ("decision", "change", "rows", "points", "interval", "verdict")
    caption = "Points of pass@1 against the recipe as it is; the intervals hold together 95 times in 100."
    return Section(
        "worth",
        "What each decision is worth",
        "one run per decision",
        (grid(heads, [each.cells for each in worths], caption),),
    )


def _answer(found: Comparison) -> Section:
    half = {(each.first, each.second): each for each in found.half_way}
    rows = []
    for pair in found.pairs:
        before = half.get((pair.first, pair.second))
        there = before.value if before else -half[pair.second, pair.first].value
        rows.append(
            (
                f"{pair.first} over {pair.second}",
                f"{100 * pair.value:+.1f}",
                f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}",
                f"{100 * there:+.1f}",
                pair.better or "no difference found",
                f"{pair.repeats:.0%}",
            )
        )
    heads = ("pair", "points", "interval", "halfway", "better", "same verdict again")
    notes = [Note(each, warning=True) for each in found.warnings] + [
        Note(each) for each in found.verdicts[:6]
    ]
    caption = (
        "Points of pass@1. The intervals count seeds and questions and hold together 95 times in 100; the last column is the "
        "share of repeats, with new seeds and new questions, that would end with the same verdict."
    )
    return Section(
        "answer", "Which is better", "every student's answers", (*notes, grid(heads, rows, caption))
    )


def _sets(found: Comparison) -> Section:
    rows = [
        (
            each.name,
            each.origin,
            each.rows,
            each.left_out,
            f"{each.tokens_a_row:,.0f}",
            f"{each.passes:.1f}",
            f"{100 * each.half_way:.1f}",
            f"{100 * each.pass_at_1:.1f}",
            f"{100 * each.seed_spread:.1f}",
            f"{each.loss:.3f}",
        )
        for each in found.sets
    ]
    heads = (
        "set",
        "was",
        "rows",
        "left out",
        "tokens per row",
        "passes",
        "halfway",
        "pass@1",
        "SD over seeds",
        "loss",
    )
    reach = 1.96 / math.sqrt(found.seeds)
    curve = intervals(
        "curve",
        {
            each.name: {
                "halfway": Interval(100 * each.half_way, 100 * each.half_way, 100 * each.half_way),
                "end": Interval(
                    100 * each.pass_at_1,
                    100 * (each.pass_at_1 - reach * each.seed_spread),
                    100 * (each.pass_at_1 + reach * each.seed_spread),
                ),
            }
            for each in found.sets
        },
        ylabel="pass@1",
        caption="Halfway through the training and at its end; the bars are 1.96 standard errors over the seeds alone.",
    )
    caption = "Left out: rows that hold a question, and with --match-lengths rows of a length that another set has fewer of."
    return Section("sets", "The sets", "the sets' rows and the students", (curve, grid(heads, rows, caption)))


def _where(found: Comparison) -> Section:
    rows = [
        (
            group,
            f"{pair.first} over {pair.second}",
            f"{100 * pair.value:+.1f}",
            f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}",
        )
        for group, pairs in found.groups.items()
        for pair in pairs
    ]
    caption = "A look, not a test: with many groups some intervals miss 0 by chance."
    return Section(
        "where", "Where they differ", "questions with a source, domain or level", (grid(("questions", "pair", "points", "interval"), rows, caption),)
    )  # fmt: skip
