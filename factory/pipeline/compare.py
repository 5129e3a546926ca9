"""`factory compare`: train the same student on every set, ask all of them the same questions, say which set is better."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.atomic import digest, read_json, write_json
from factory.config.compare import CompareSection
from factory.engines.child import run_child, run_children
from factory.errors import UsageError, warn
from factory.evaluation.comparison import Compared, Comparison
from factory.evaluation.crossed import Difference, differences, visible
from factory.evaluation.stages import graded_columns
from factory.pipeline.checks import need
from factory.pipeline.training_checks import TRAINER, has_gpu
from factory.progress import note, watch
from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from factory.sources.paths import refuse_own_input
from factory.steps import compare_sets
from schemas.outcome import scored, solved

ASKED, PLAN, RESULT = "compare.json", "plan.json", "result.json"
SEED_SPREAD = 0.027
"""Standard deviation of pass@1 between students of one set, for the power that is stated before anything is measured: that of the
recipe's own set in docs/compare.md, "What each decision is worth". Where students learn nearly everything it is smaller (0.011 over
the planted sets there)."""
QUESTION_SPREAD = 0.5**0.5
"""The same over questions, of the difference of two single students: the most there is, two that are right by chance half of
the time."""
FEWEST = 20
"""Questions of a domain or level of which a difference is shown."""


def compare(
    paths: Sequence[str],
    out: Path,
    section: CompareSection,
    names: Sequence[str] | None = None,
    *,
    base: str | None = None,
) -> Comparison:
    """Compare training sets; what is done already is not done again.

    Args:
        paths: runs, folders of training sets, or files of traces; two at least.
        out: folder to work in.
        section: student, questions, seeds, budget.
        names: what the sets are called; their files' names by default.
        base: the set that all others are compared with, and only with it; every pair when None.

    Raises:
        UsageError: a set, the student or the questions cannot be used.
        Stopped: stopped; the same call resumes.
    """
    need("a comparison", "train", *TRAINER)
    if len(paths) < 2:
        raise UsageError("a comparison needs two sets", do="factory compare A B --out comparison")
    refuse_own_input(out, paths)
    section = compare_sets.wording(paths, section)
    names = compare_sets.set_names(names or paths)
    read = {
        name: compare_sets.read_set(path, out / "sets" / name / "rows", section)
        for name, path in zip(names, paths, strict=True)
    }
    rows = {name: out / "sets" / name / "rows" for name in names}
    questions = compare_sets.write_questions(rows, out / "questions", section).summary.count
    for name in names:
        compare_sets.clean_set(rows[name], out / "questions", out / "sets" / name / "clean")
    clean = {name: out / "sets" / name / "clean" for name in names}
    sets = compare_sets.finish_sets(clean, out / "sets", section)
    if section.student == "tiny":
        compare_sets.unite(clean, out / "base" / "datasets" / "midtrain")
    pairs = len(names) - 1 if base else len(names) * (len(names) - 1) // 2
    seen = visible(section.seeds, questions, pairs, seed_spread=SEED_SPREAD, question_spread=QUESTION_SPREAD)
    note(
        f"{len(names)} sets, {section.seeds} seeds, {questions} questions: a difference of about {seen * 100:.1f} points can "
        "be seen 8 times in 10"
    )
    asked = section.model_dump(mode="json", exclude={"questions", "match_lengths", "limit"})
    digests = {name: sets[name].manifest["output_digest"] for name in names}
    asked |= {"questions": str(out / "questions"), "sets": digests} | ({"base": base} if base else {})
    key = digest(asked)
    former = read_json(out / RESULT) if (out / RESULT).exists() else {}
    if former.get("key") != key:
        write_json(out / ASKED, asked)
        do = "fix what is said above and run again"
        run_child("train.arms", [str(out), "plan"], what="the plan of the training", do=do)
        _train(out, len(names) * section.seeds)
    planned = read_json(out / PLAN)
    scores = {when: read_scores(out, names, section.seeds, when) for when in ("end", "half")}
    done = [[_student(out, name, n) for n in range(section.seeds)] for name in names]
    compared = [
        Compared(
            name,
            path,
            read[name].summary.origin,
            sets[name].manifest["rows_out"],
            read[name].manifest["rows_out"] - sets[name].manifest["rows_out"],
            planned["tokens_a_row"][name],
            planned["passes"][name],
            float(scores["end"][0][name].mean()),
            float(scores["end"][0][name].mean(axis=1).std(ddof=1)),
            float(scores["half"][0][name].mean()),
            float(np.mean([each["loss"] for each in students])),
        )
        for name, path, students in zip(names, paths, done, strict=True)
    ]
    by_question, ids = scores["end"]
    found = Comparison(
        sorted(compared, key=lambda each: -each.pass_at_1),
        differences(by_question, base),
        differences(scores["half"][0], base),
        _groups(by_question, ids, read_parts(out / "questions"), base),
        len(ids),
        section.seeds,
        planned["tokens"],
        section.student,
        section.match_lengths,
        planned,
    )
    write_json(
        out / RESULT, {"key": key} | asdict(found) | {"verdicts": found.verdicts, "warnings": found.warnings}
    )
    return found


def check_fits(name: str, path: str, out: Path, section: CompareSection) -> None:
    """Refuse a set, called `name`, that the student cannot read, before others are made beside it. `out` is emptied again.

    Raises:
        UsageError: too many of its rows are longer than the student's context, or the tokens are too few for them.
    """
    if section.student == "tiny":
        return
    section = compare_sets.wording([path], section)
    rows = compare_sets.read_set(path, out / "rows", section)
    compare_sets.finish_sets({name: out / "rows"}, out / "sets", section)
    asked = section.model_dump(mode="json", exclude={"match_lengths", "limit"})
    asked |= {"questions": "none", "sets": {name: rows.manifest["output_digest"]}}
    write_json(out / ASKED, asked)
    do = "fix what is said above and run again"
    run_child("train.arms", [str(out), "plan"], what="the plan of the training", do=do)
    shutil.rmtree(out)


def _train(out: Path, count: int) -> None:
    """All students, as many at a time as there are cores; one at a time on a GPU."""
    workers = 1 if has_gpu() else min(os.cpu_count() or 1, count, 8)
    with watch("compare", count, "students") as task:
        shown = 0

        def poll() -> None:
            nonlocal shown
            ready = sum((each / "student.json").exists() for each in (out / "students").glob("*"))
            task.advance(max(0, ready - shown))
            shown = max(shown, ready)

        run_children(
            "train.arms",
            [[str(out), str(worker), str(workers)] for worker in range(workers)],
            out / "logs",
            what="training the students",
            do=f"see {out / 'logs'}; the same command resumes",
            poll=poll,
        )


def _student(out: Path, name: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = read_json(out / "students" / f"{name}-{number}" / "student.json")
    return found


def read_scores(
    out: Path, names: Sequence[str], seeds: int, when: str
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """What the students of a comparison answered: shares of right samples by set, shape (seeds, questions), and the ids.

    Args:
        out: the comparison's folder.
        names: its sets.
        seeds: students per set.
        when: `half` or `end` of their training.

    Raises:
        UsageError: fewer than two questions could be scored.
    """
    graded = {
        (name, number): graded_columns(
            RunLayout(out / "students" / f"{name}-{number}").evaluation(when) / "questions"
        )
        for name in names
        for number in range(seeds)
    }
    # What cannot be read of one student's answer is not right; a question that nobody could be scored on says nothing.
    shared = sorted(
        set().union(*(table.filter(scored())["problem_id"].to_list() for table in graded.values()))
    )
    if len(shared) < 2:
        raise UsageError("no answer could be scored", do="take other --questions")
    if lost := len(set().union(*(table["problem_id"].to_list() for table in graded.values()))) - len(shared):
        warn(f"{lost} questions could not be scored for any student and are left out")
    order = pl.DataFrame({"problem_id": shared})
    shares = {
        key: order.join(table.group_by("problem_id").agg(right=solved().mean()), on="problem_id", how="left")[
            "right"
        ]
        .fill_null(0.0)
        .to_numpy()
        for key, table in graded.items()
    }
    scores = {name: np.stack([shares[name, n] for n in range(seeds)]) for name in names}
    return scores, shared


def _groups(
    scores: dict[str, NDArray[np.float64]], ids: list[str], questions: pl.DataFrame, base: str | None
) -> dict[str, list[Difference]]:
    """Differences within every domain and level that has enough questions, where there are several."""
    about = pl.DataFrame({"id": ids}).join(questions, on="id", how="left")
    found = {}
    for column in ("source", "domain", "level"):
        values = about[column].drop_nulls().value_counts().sort("count", column, descending=[True, False])
        for value, count in values.iter_rows():
            if FEWEST <= count < len(ids):
                at = (about[column] == value).fill_null(False).to_numpy()
                found[f"{column} {value} ({count})"] = differences(
                    {n: each[:, at] for n, each in scores.items()}, base
                )
    return found
