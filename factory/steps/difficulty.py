"""Difficulty: student rollouts until every problem's pass rate is known well enough."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from factory.difficulty.rollouts import Rollouts, roll_out, signal, success, truncated
from factory.difficulty.stopping import StoppingRule
from factory.difficulty.table import difficulty_table
from factory.errors import FactoryError, UsageError
from factory.recipe.difficulty import DifficultySection
from factory.recipe.verify import VerifySection
from factory.selection.subset import seeded_order
from factory.store.parts import finished, input_digest, read_parts
from factory.store.writer import StepWriter, dropped_rows, step_key
from schemas import DIFFICULTY, VERDICT, Band

STEP = "difficulty"
LOCAL = ("student", "transformers")
"""Samplers that take a checkpoint folder; for others `model` names what an endpoint serves."""


def run(
    problems: Path,
    out: Path,
    rollouts_out: Path,
    section: DifficultySection,
    verify: VerifySection,
    *,
    model: str | None,
    store: Path,
    seed: int,
    prompt: str,
    system: str | None = None,
) -> dict[str, Any]:
    """Roll the student out on problems and write the posterior of each pass rate, and the rollouts themselves.

    Args:
        problems: folder of PROBLEM parts.
        out: folder of DIFFICULTY parts.
        rollouts_out: folder of VERDICT parts: every rollout, for pairs; nothing is sampled again for them.
        section: bounds, confidence and sampling.
        verify: how answers are checked.
        model: the student's checkpoint folder or model id.
        store: the response store; a rollout that is in it is not sampled again.
        seed: decides which problems are drawn and every rollout.
        prompt: prompt template with `{problem}`.
        system: system message.

    Returns:
        The manifest of `out`; `totals` has the bands, rollouts, tokens and what early stopping saved.

    Raises:
        UsageError: the section contradicts itself.
        FactoryError: no problem, no rollout with a signal, or nothing but truncated rollouts.
    """
    _check(section)
    settings = {
        **section.model_dump(mode="json"),
        "verify": verify.model_dump(mode="json", exclude={"workers"}),
    }
    settings |= {"seed": seed, "prompt": prompt, "system": system}
    inputs = {"problems": input_digest(problems), **_student_input(model)}
    key = step_key(STEP, settings, inputs)
    rollouts_key = step_key("rollouts", settings, inputs)
    if (done := finished(out, key)) and finished(rollouts_out, rollouts_key):
        return done
    every = read_parts(problems)
    chosen = _draw(every, section.problems, seed)
    if chosen.height == 0:
        raise FactoryError(
            f"{problems} holds no problems to roll out on", do="look at what the steps before dropped"
        )
    rule = StoppingRule(
        section.low, section.high, section.confidence, section.min_samples, section.max_samples
    )
    rolled = _sample(chosen, rule, section, verify, model, store, seed, prompt, system)
    rollouts = rolled.rows
    with StepWriter(rollouts_out, "rollouts", VERDICT, settings=settings, inputs=inputs) as writer:
        writer.keep(rollouts)
        writer.finish(rows_in=rollouts.height, unit="rollouts", totals=_spent(rollouts))
    table = difficulty_table(chosen, rollouts, low=section.low, high=section.high, prior=rolled.prior)
    with StepWriter(out, STEP, DIFFICULTY, settings=settings, inputs=inputs) as writer:
        writer.keep(table)
        mute = chosen.join(table.select("id"), on="id", how="anti", maintain_order="left")
        writer.drop(dropped_rows(mute, step=STEP, reason="no_signal", detail="no rollout could be verified"))
        left = every.join(chosen.select("id"), on="id", how="anti", maintain_order="left")
        writer.drop(dropped_rows(left, step=STEP, reason="not_drawn", detail="beyond difficulty.problems"))
        return writer.finish(rows_in=every.height, totals=_totals(table, rolled, rule))


def _sample(
    problems: pl.DataFrame,
    rule: StoppingRule,
    section: DifficultySection,
    verify: VerifySection,
    model: str | None,
    store: Path,
    seed: int,
    prompt: str,
    system: str | None,
) -> Rollouts:
    from factory.sampling import open_sampler, sample_problems
    from factory.sampling.sampler import SamplingParams
    from factory.store.journal import ResponseStore
    from factory.verification import Verifier, verify_responses

    params = SamplingParams(
        temperature=section.temperature, top_p=section.top_p, max_tokens=section.max_tokens, seed=seed
    )
    local = section.student in LOCAL
    sampler = open_sampler(
        section.student,
        model=model if local else section.model,
        base_url=section.base_url,
        api_key_env=section.api_key_env,
    )
    with Verifier(verify) as verifier, ResponseStore(store) as opened:

        def sample(wanted: pl.DataFrame, plan: Mapping[str, range]) -> pl.DataFrame:
            rows = sample_problems(
                wanted,
                sampler,
                plan,
                params,
                prompt=prompt,
                system=system,
                store=opened,
                what="rollouts",
                batch=section.batch_size,
            )
            verified = verify_responses(rows, verify, verifier=verifier)
            if 0 in next(iter(plan.values())):
                _check_rollouts(verified, section)
            return verified

        return roll_out(problems, rule, sample)


def _draw(problems: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` problems, drawn by seed, in their order."""
    if limit is None or problems.height <= limit:
        return problems
    drawn = problems.with_columns(_draw=seeded_order(problems["id"], seed)).with_row_index("_row")
    return drawn.sort("_draw").head(limit).sort("_row").drop("_row", "_draw")


def _student_input(model: str | None) -> dict[str, str]:
    """Digest of a checkpoint folder, or the model's id."""
    if model is None:
        return {}
    path = Path(model)
    return {"student": input_digest(path) if path.exists() else model}


def _check(section: DifficultySection) -> None:
    if section.low > section.high:
        raise UsageError(f"difficulty.low {section.low} is above difficulty.high {section.high}")
    if section.min_samples > section.max_samples:
        raise UsageError(
            f"difficulty.min_samples {section.min_samples} is above difficulty.max_samples {section.max_samples}"
        )


def _check_rollouts(rollouts: pl.DataFrame, section: DifficultySection) -> None:
    """Stop after the first round when no further round could bring a pass rate."""
    cut = int(rollouts.select(truncated().sum()).item())
    if rollouts.height and cut == rollouts.height:
        raise FactoryError(
            f"all {cut:,} rollouts were cut at {section.max_tokens:,} tokens",
            do="raise difficulty.max_tokens, or train the student longer: it never ends its answer",
        )
    if not int(rollouts.select(signal().sum()).item() or 0):
        verdicts = rollouts.group_by("verdict", "status").len().sort("len", descending=True)
        seen = ", ".join(f"{n:,} {verdict} ({status})" for verdict, status, n in verdicts.iter_rows())
        raise FactoryError(
            f"no rollout could be verified: {seen or 'there are none'}",
            do="check that the problems have answers and that the student's endpoint replies",
        )


def _spent(rollouts: pl.DataFrame) -> dict[str, Any]:
    return {
        "prompt_tokens": int(rollouts["prompt_tokens"].sum() or 0),
        "completion_tokens": int(rollouts["completion_tokens"].sum() or 0),
        "usd": float(rollouts["usd"].sum() or 0.0),
    }


def _totals(table: pl.DataFrame, rolled: Rollouts, rule: StoppingRule) -> dict[str, Any]:
    rollouts = rolled.rows
    bands = dict(table.group_by("band").len().iter_rows())
    asked = rollouts["problem_id"].n_unique()
    sure = table.filter(pl.col("band_probability") >= rule.confidence).height
    return {
        "bands": {band.value: bands.get(band.value, 0) for band in Band},
        "rollouts": rollouts.height,
        "rollouts_fixed": asked * rule.max_samples,
        "saved": 1 - rollouts.height / (asked * rule.max_samples),
        "sure": sure,
        "unsure": table.height - sure,
        "correct": int(rollouts.select(success().sum()).item()),
        "truncated": int(rollouts.select(truncated().sum()).item()),
        "prior": {"alpha": rolled.prior.alpha, "beta": rolled.prior.beta},
    }
