"""Preference: pairs of a correct and an incorrect response to the same problem, and the lint they must pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from factory.errors import FactoryError
from factory.preference.candidates import COLUMNS, chosen_pool, rejected_pool
from factory.preference.lint import Lint, lint_pairs
from factory.preference.pairs import Pair, pair_up
from factory.preference.render import completion_column, prompt_column
from factory.progress import watch
from factory.recipe.preference import PreferenceSection
from factory.selection.subset import draw_evenly
from factory.store.atomic import write_json
from factory.store.parts import finished, input_digest, read_parts
from factory.store.writer import StepWriter, dropped_rows, step_key
from schemas import PREFERENCE

STEP = "pairs"


def run(
    verdicts: Path,
    rollouts: Path | None,
    out: Path,
    section: PreferenceSection,
    *,
    seed: int,
    prompt: str = "{problem}",
    system: str | None = None,
) -> dict[str, Any]:
    """Pair up responses, lint the pairs and write them.

    Args:
        verdicts: folder of LABELLED (or VERDICT) parts: the teacher's responses; chosen ones come from here.
        rollouts: folder of the student's VERDICT parts, when `rejected_from` needs them.
        out: folder of PREFERENCE parts.
        section: where rejected responses come from, the rule and the lint's limits.
        seed: decides the draw when there are more than `max_pairs`.
        prompt: prompt template with `{problem}`.
        system: system message.

    Returns:
        The manifest; `totals["lint"]` is the lint.

    Raises:
        FactoryError: no pair can be made (says why), or the lint fails (names the checks).
    """
    settings = {**section.model_dump(mode="json"), "seed": seed, "prompt": prompt, "system": system}
    inputs = {"verdicts": input_digest(verdicts)}
    if rollouts is not None and section.rejected_from != "teacher":
        inputs["rollouts"] = input_digest(rollouts)
    if done := finished(out, step_key(STEP, settings, inputs)):
        return done
    teacher = read_parts(verdicts)
    student = read_parts(rollouts) if "rollouts" in inputs and rollouts is not None else teacher.clear()
    pools = [teacher] * (section.rejected_from != "student") + [student] * (
        section.rejected_from != "teacher"
    )
    chosen = chosen_pool(teacher)
    rejected = pl.concat([rejected_pool(pool).select(COLUMNS) for pool in pools])
    problems = teacher.unique("problem_id", keep="first", maintain_order=True)
    pairs, unpaired = _pair_all(problems["problem_id"].to_list(), chosen.select(COLUMNS), rejected, section)
    if not pairs:
        raise _nothing(unpaired, section)
    table = _rows(pairs, problems, section.rule, prompt, system)
    kept, over = _limit(table, section, seed)
    lint = lint_pairs(kept, max_length_bias=section.max_length_bias)
    _gate(lint, out)
    with StepWriter(out, STEP, PREFERENCE, settings=settings, inputs=inputs) as writer:
        writer.keep(kept)
        none = problems.join(unpaired, on="problem_id", how="inner", maintain_order="left")
        writer.drop(
            dropped_rows(none.drop("why"), step=STEP, reason=pl.lit(none["why"]), id_column="problem_id")
        )
        writer.drop(dropped_rows(over, step=STEP, reason="over_max_pairs", id_column="chosen_response_id"))
        totals = {"problems": problems.height, "lint": lint.to_dict(), "balance": _balance(kept)}
        return writer.finish(
            rows_in=table.height + none.height, unit="pairs and unpaired problems", totals=totals
        )


def _pair_all(
    ids: list[str], chosen: pl.DataFrame, rejected: pl.DataFrame, section: PreferenceSection
) -> tuple[list[Pair], pl.DataFrame]:
    """Pairs of every problem, and `problem_id`, `why` of those without one."""
    right, wrong = _by_problem(chosen), _by_problem(rejected)
    pairs: list[Pair] = []
    without: list[tuple[str, str]] = []
    with watch("pairs", len(ids), "problems") as task:
        for problem in ids:
            made = pair_up(right.get(problem, []), wrong.get(problem, []), section.rule, section.per_problem)
            pairs += made
            if not made:
                has = problem in right, problem in wrong
                why = {
                    (True, True): "near_identical",
                    (True, False): "no_incorrect",
                    (False, True): "no_correct",
                }
                without.append((problem, why.get(has, "neither")))
            task.advance()
    return pairs, pl.DataFrame(without, schema={"problem_id": pl.String, "why": pl.String}, orient="row")


def _by_problem(rows: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        grouped.setdefault(row["problem_id"], []).append(row)
    return grouped


def _rows(
    pairs: list[Pair], problems: pl.DataFrame, rule: str, prompt: str, system: str | None
) -> pl.DataFrame:
    sides = {
        side: pl.DataFrame(
            [{k: getattr(p, side)[k] for k in COLUMNS} for p in pairs], infer_schema_length=None
        )
        for side in ("chosen", "rejected")
    }
    table = pl.DataFrame(
        {
            "problem_id": sides["chosen"]["problem_id"],
            **{side: completion_column(rows, side) for side, rows in sides.items()},
            **{f"{side}_response_id": rows["response_id"] for side, rows in sides.items()},
            **{f"{side}_sampler": rows["sampler"] for side, rows in sides.items()},
            **{f"{side}_tokens": rows["completion_tokens"] for side, rows in sides.items()},
            "pair_rule": [rule] * len(pairs),
            "similarity": [pair.similarity for pair in pairs],
        }
    )
    wanted = ["problem_id", "problem", "choices", "source", "licence", "domain", "level", "answer"]
    known = problems.select([name for name in wanted if name in problems.columns])
    table = table.join(known, on="problem_id", how="left", maintain_order="left")
    return table.with_columns(prompt_column(table, prompt, system)).drop("problem", "choices", strict=False)


def _limit(table: pl.DataFrame, section: PreferenceSection, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """At most `max_pairs`, balanced over domain and level."""
    if section.max_pairs is None or table.height <= section.max_pairs:
        return table, table.clear()
    rows = table.with_row_index("row").with_columns(response_id="chosen_response_id")
    drawn = draw_evenly(rows, section.max_pairs, ["domain", "level"], seed)
    over = rows.join(drawn.select("row"), on="row", how="anti", maintain_order="left")
    return drawn.drop("row", "response_id"), over.drop("row", "response_id")


def _gate(lint: Lint, out: Path) -> None:
    """Stop when the lint fails; what it saw is left in `lint.json`."""
    if lint.passed:
        (out / "lint.json").unlink(missing_ok=True)
        return
    write_json(out / "lint.json", lint.to_dict())
    failed = [check for check in lint.checks if not check.passed]
    what = "; ".join(f"{c.name} is {c.value:.3g}, limit {c.limit:.3g} ({c.setting})" for c in failed)
    raise FactoryError(
        f"the pairs fail their lint: {what}; see {out / 'lint.json'}",
        do="set preference.match_length=true, choose another preference.rule, or raise the limit",
    )


def _balance(pairs: pl.DataFrame) -> list[dict[str, Any]]:
    return pairs.group_by("domain", "level").agg(pairs=pl.len()).sort("domain", "level").to_dicts()


def _nothing(unpaired: pl.DataFrame, section: PreferenceSection) -> FactoryError:
    counts = dict(unpaired.group_by("why").len().iter_rows())
    why = ", ".join(f"{n:,} {reason}" for reason, n in counts.items()) or "there are no responses"
    advice = {
        "no_incorrect": "every answer is right: raise generate.samples or difficulty.max_samples, take harder problems, "
        "or set preference.rejected_from=both",
        "no_correct": "no answer is right: take easier problems or a stronger teacher",
        "neither": "no response is complete and verified: raise generate.max_tokens and check that problems have answers",
        "near_identical": "right and wrong responses say nearly the same: raise the sampling temperature",
    }
    first = max(counts, key=lambda reason: counts[reason]) if counts else "neither"
    return FactoryError(
        f"no pair can be made with preference.rejected_from={section.rejected_from}: {why}", do=advice[first]
    )
