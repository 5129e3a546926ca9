"""A pass rate of 1/k on k options is no knowledge: the correction from the rollouts to what people read."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.datasets.posterior import JEFFREYS, difficulty_table, with_guessing
from factory.datasets.rl_prompts import band_reason
from factory.datasets.rollouts import StoppingRule, roll_out
from factory.evaluation.calibration import other_half
from factory.evaluation.stages import stage_scores
from factory.evaluation.summary import corrected, summarise
from schemas import DIFFICULTY, Band
from schemas.outcome import above_guess, with_guess_rate

RULE = StoppingRule(low=0.1, high=0.9, confidence=0.95, min_samples=4, max_samples=16)


@pytest.mark.parametrize(
    ("kind", "choices", "rate"),
    [
        ("choice", ["a", "b", "c", "d"], 0.25),
        (None, ["a", "b"], 0.5),
        ("choice", None, 0.0),
        ("choice", ["a"], 0.0),
        ("math", ["a", "b", "c"], 0.0),
        (None, None, 0.0),
    ],
)
def test_only_listed_options_can_be_guessed(kind, choices, rate):
    kinds = {"answer_kind": pl.String, "choices": pl.List(pl.String)}
    row = pl.DataFrame({"answer_kind": [kind], "choices": [choices]}, schema=kinds)
    assert with_guess_rate(row)["guess_rate"].item() == rate


def test_tables_without_these_columns_are_not_guessed():
    assert with_guess_rate(pl.DataFrame({"id": ["a"]}))["guess_rate"].to_list() == [0.0]
    nulls = pl.DataFrame({"choices": [None], "answer_kind": [None]})
    assert with_guess_rate(nulls)["guess_rate"].to_list() == [0.0]


@given(st.floats(0, 1), st.integers(2, 10))
@settings(deadline=None)
def test_the_correction_undoes_what_guessing_adds(known, options):
    guess = 1 / options
    raw = float(with_guessing(known, guess))
    assert pl.select(above_guess(pl.lit(raw), pl.lit(guess))).item() == pytest.approx(known, abs=1e-12)
    assert guess - 1e-12 <= raw <= 1 + 1e-12
    assert float(with_guessing(known, 0.0)) == known, "mathematics stays as it was, to the bit"


def problem(name, choices):
    return {"id": name, "answer": "A", "answer_kind": "choice" if choices else "math", "choices": choices}


def rollouts(counts):
    rows = [
        {
            "problem_id": name,
            "sample_index": index,
            "verdict": "correct" if index < right else "incorrect",
            "status": "complete",
            "sampler": "student",
            "model": "m",
            "model_revision": "r",
            "completion_tokens": 5,
        }
        for name, (right, all_) in counts.items()
        for index in range(all_)
    ]
    return pl.DataFrame(rows)


def test_the_same_counts_are_too_hard_for_a_choice_and_useful_for_a_number():
    kinds = {"id": pl.String, "answer": pl.String, "answer_kind": pl.String, "choices": pl.List(pl.String)}
    problems = pl.DataFrame([problem("choice", list("abcd")), problem("math", None)], schema=kinds)
    table = difficulty_table(
        problems, rollouts({"choice": (16, 64), "math": (16, 64)}), low=0.1, high=0.9, prior=JEFFREYS
    )
    choice, math = table.iter_rows(named=True)
    assert (choice["band"], math["band"]) == (Band.TOO_HARD, Band.USEFUL)
    assert choice["pass_rate"] == math["pass_rate"] == pytest.approx(16.5 / 65), "the raw rate is kept"
    assert choice["pass_rate_corrected"] == pytest.approx((16.5 / 65 - 0.25) / 0.75)
    assert math["pass_rate_corrected"] == math["pass_rate"]
    assert {"guess_rate", "pass_rate_corrected"} <= set(DIFFICULTY.names)


def test_prompts_that_are_only_guessed_do_not_go_to_rl():
    rows = pl.DataFrame(
        {
            "correct": [4, 5, 15, 4],
            "attempts": [16] * 4,
            "answer": ["A"] * 4,
            "answer_kind": ["choice"] * 3 + ["math"],
            "choices": [list("abcd")] * 3 + [None],
        }
    )
    found = with_guess_rate(rows).select(band_reason(0.0, 0.5)).to_series().to_list()
    assert found == ["too_hard", None, "too_easy", None]


def test_a_guesser_is_asked_until_its_band_is_sure_and_named_too_hard():
    rng = np.random.default_rng(0)

    def guess(wanted, plan):
        rows = [
            {
                "problem_id": name,
                "sample_index": index,
                "status": "complete",
                "verdict": "correct" if rng.random() < 0.25 else "incorrect",
            }
            for name in wanted["id"]
            for index in plan[name]
        ]
        return pl.DataFrame(rows)

    problems = pl.DataFrame([problem(f"p{i}", list("abcd")) for i in range(40)])
    rolled = roll_out(problems, RULE, guess)
    filled = rolled.rows.with_columns(
        sampler=pl.lit("s"), model=pl.lit("m"), model_revision=pl.lit("r"), completion_tokens=1
    )
    table = difficulty_table(problems, filled, low=0.1, high=0.9, prior=rolled.prior)
    assert (table["band"] == Band.TOO_HARD.value).mean() > 0.5
    as_numbers = problems.with_columns(choices=pl.lit(None, pl.List(pl.String)))
    table = difficulty_table(as_numbers, filled, low=0.1, high=0.9, prior=rolled.prior)
    assert (table["band"] == Band.TOO_HARD.value).mean() < 0.2


def test_calibration_takes_the_bands_that_the_table_took():
    rows = rollouts({f"p{i}": (1, 4) for i in range(10)})
    choices = rows.with_columns(
        answer_kind=pl.lit("choice"), choices=pl.lit(list("abcd")).cast(pl.List(pl.String))
    )
    # The second half shows 0 of 2: too hard either way; the claim differs, because half of four options is near guessing.
    plain, guessed = (
        other_half(each, JEFFREYS, low=0.3, high=0.9, first_round=4)[Band.TOO_HARD][0].mean()
        for each in (rows, choices)
    )
    assert guessed >= plain


def graded(right, all_, options):
    rows = rollouts({f"q{i}": (right, all_) for i in range(30)})
    if options:
        texts = [chr(97 + i) for i in range(options)]
        rows = rows.with_columns(answer_kind=pl.lit("choice"), choices=pl.lit(texts).cast(pl.List(pl.String)))
    return rows.with_columns(extracted=pl.lit("A"), extracted_canonical=pl.lit("A"))


@pytest.mark.parametrize(("right", "above"), [(1, 0.0), (0, 0.0), (4, 1.0), (2, 1 / 3)])
def test_pass_at_1_is_shown_above_guessing_with_the_raw_share_beside_it(right, above):
    figures = summarise(graded(right, 4, 4))
    assert figures["pass_at_1"] == right / 4
    assert figures["corrected"]["guess_rate"] == 0.25
    row = corrected(figures)
    assert row["pass_at_1"] == pytest.approx(above)
    assert row["low"] <= row["pass_at_1"] <= row["high"]


def test_without_options_nothing_is_corrected():
    figures = summarise(graded(2, 4, 0))
    assert "corrected" not in figures and corrected(figures) is figures


def test_the_ladder_says_both_rates(tmp_path):
    folder = tmp_path / "eval" / "sft"
    folder.mkdir(parents=True)
    benchmarks = {"choices": summarise(graded(2, 4, 4)), "numbers": summarise(graded(2, 4, 0))}
    (folder / "summary.json").write_text(json.dumps({"benchmarks": benchmarks}))
    choices, numbers = stage_scores(tmp_path)[0]
    assert (choices.raw, choices.guess_rate, choices.beside) == (0.5, 0.25, " (raw 50.0%)")
    assert choices.value == pytest.approx(1 / 3)
    assert (numbers.value, numbers.raw, numbers.beside) == (0.5, 0.5, "")
