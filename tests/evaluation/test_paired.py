from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from factory.errors import UsageError
from factory.evaluation.paired import bootstrap_interval, paired_delta
from factory.evaluation.summary import majority_share, question_table, summarise


def graded(rows):
    """Rows of (problem id, verdict[, answer[, status]])."""
    full = [(*row, *("x", "complete")[len(row) - 2 :]) for row in rows]
    names = ["problem_id", "verdict", "extracted", "status"]
    frame = pl.DataFrame(full, schema=names, orient="row")
    return frame.with_columns(
        extracted_canonical=pl.lit(None, dtype=pl.String), completion_tokens=pl.lit(10, dtype=pl.Int32)
    )


def test_what_cannot_be_judged_does_not_count_but_no_answer_does():
    frame = graded(
        [
            ("a", "correct"),
            ("a", "no_answer", None, "cut_in_reasoning"),
            ("a", "timeout"),
            ("b", "unverifiable"),
            ("c", "incorrect"),
            ("c", "no_answer", None, "failed"),
        ]
    )
    assert question_table(frame).rows() == [("a", 1, 2), ("c", 0, 1)]
    figures = summarise(frame)
    assert figures["pass_at_1"] == 0.25
    assert (figures["questions"], figures["questions_unscored"]) == (2, 1)
    assert (figures["samples"], figures["unscored"], figures["no_answer"]) == (6, 3, 2)
    assert figures["truncated_share"] == pytest.approx(1 / 6)


def test_summary_of_nothing_scored_has_nulls_not_nan():
    figures = summarise(graded([("a", "unverifiable")]))
    assert figures["pass_at_1"] is None and figures["pass_at_k"] == {}


def test_majority_and_pass_at_k_in_the_summary():
    figures = summarise(
        graded(
            [("a", "correct", "1"), ("a", "incorrect", "2"), ("a", "incorrect", "3"), ("a", "correct", "1.0")]
        )
    )
    assert figures["majority_at_k"] == {"4": 1.0}
    assert figures["pass_at_k"] == pytest.approx({"1": 0.5, "2": 1 - 1 / 6, "4": 1.0})


def test_majority_is_a_mean_over_questions():
    right, wrong = ("correct", "1"), ("incorrect", "2")
    votes = {"a": [right, right, wrong], "b": [wrong, wrong, right], "c": [right, wrong], "d": [wrong] * 3}
    figures = summarise(graded([(name, *vote) for name, cast in votes.items() for vote in cast]))
    assert figures["majority_at_k"] == {"2": pytest.approx((1 + 0 + 0.5 + 0) / 4)}
    assert figures["pass_at_1"] == pytest.approx((2 / 3 + 1 / 3 + 1 / 2 + 0) / 4)


def test_pairing_removes_what_the_questions_differ_in():
    """Every question gains the same 10 points; questions themselves range from hard to easy."""
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.05, 0.85, 200)
    before = graded(
        [(f"q{i}", "correct" if k < 20 * r else "incorrect") for i, r in enumerate(rates) for k in range(20)]
    )
    after = graded(
        [
            (f"q{i}", "correct" if k < 20 * r + 2 else "incorrect")
            for i, r in enumerate(rates)
            for k in range(20)
        ]
    )
    delta = paired_delta(before, after)
    assert delta.delta == pytest.approx(0.1)
    assert delta.risen and delta.low == pytest.approx(0.1) and delta.high == pytest.approx(0.1)
    assert (delta.questions, delta.better, delta.worse) == (200, 200, 0)


def test_pairs_by_question_whatever_the_order_and_the_sample_counts():
    before = graded([("b", "incorrect"), ("a", "correct"), ("only", "correct")])
    after = graded([("a", "correct"), ("a", "incorrect"), ("b", "correct")])
    delta = paired_delta(before, after)
    assert (delta.questions, delta.before, delta.after, delta.delta) == (2, 0.5, 0.75, 0.25)
    assert delta.dropped == 1, "`only` was never asked again"
    unjudged = graded([("a", "timeout"), ("b", "correct"), ("new", "correct")])
    assert paired_delta(before, unjudged).dropped == 3, "a and only on one side, new on the other"
    with pytest.raises(UsageError, match="share no scored question"):
        paired_delta(before, graded([("z", "correct")]))


def test_bootstrap_is_seeded_and_covers():
    rng = np.random.default_rng(5)
    values = rng.choice([-1.0, 0.0, 0.0, 1.0, 1.0], 150)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    hits = 0
    for trial in range(300):
        sample = rng.choice([-1.0, 0.0, 0.0, 1.0, 1.0], 120)
        low, high = bootstrap_interval(sample, seed=trial, resamples=1000)
        hits += low <= 0.2 <= high
    assert 0.90 <= hits / 300 <= 0.985


def test_bootstrap_equals_all_resamples_of_a_tiny_set():
    """Three questions have 27 resamples; the quantiles of the bootstrap are those of the full enumeration."""
    import itertools

    values = np.array([0.0, 0.5, 1.0])
    every = np.repeat([np.mean(draw) for draw in itertools.product(values, repeat=3)], 1000)
    low, high = bootstrap_interval(values, seed=0, resamples=200_000)
    assert low == pytest.approx(np.quantile(every, 0.025), abs=1e-9)
    assert high == pytest.approx(np.quantile(every, 0.975), abs=1e-9)


@pytest.mark.parametrize("questions", [1, 2, 401, 900])
def test_bootstrap_of_many_questions_equals_resampling_in_one_piece(questions):
    """Above 400 questions the resamples are drawn in several pieces; every piece must count."""
    values = np.random.default_rng(questions).choice([-1.0, 0.0, 0.5, 1.0], questions)
    low, high = bootstrap_interval(values, seed=3)
    rng = np.random.default_rng(4)
    means = values[rng.integers(0, questions, (10_000, questions))].mean(axis=1)
    expected = np.quantile(means, [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.15 / np.sqrt(questions))


@pytest.mark.parametrize("size", [400, 401, 900])
def test_chunks_of_resamples_make_the_interval_of_all_in_one_piece(size):
    """From 401 questions on the resamples do not fit into one chunk."""
    values = np.random.default_rng(size).choice([-1.0, 0.0, 1.0], size)
    draws = np.random.default_rng(3).integers(0, size, (10_000, size))
    expected = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(values, seed=3) == pytest.approx(tuple(expected), abs=1e-12)


def test_fewer_resamples_than_a_chunk_holds():
    values = np.array([0.0, 1.0, 1.0])
    draws = np.random.default_rng(1).integers(0, 3, (7, 3))
    expected = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(values, seed=1, resamples=7) == pytest.approx(tuple(expected), abs=1e-12)


def test_a_change_is_a_rise_only_when_its_whole_interval_is_above_zero():
    delta = paired_delta(graded([("a", "incorrect")]), graded([("a", "correct")]))
    assert delta.as_dict()["delta"] == 1.0
    assert [replace(delta, low=low).risen for low in (-0.1, 0.0, 0.001)] == [False, False, True]


def test_better_and_worse_questions_are_counted_apart():
    before = graded(
        [("a", "correct"), ("b", "incorrect"), ("c", "incorrect"), ("d", "correct"), ("e", "correct")]
    )
    after = graded(
        [("a", "incorrect"), ("b", "correct"), ("c", "correct"), ("d", "correct"), ("e", "incorrect")]
    )
    delta = paired_delta(before, after)
    assert (delta.better, delta.worse, delta.delta) == (2, 2, 0.0)
    after = after.with_columns(verdict=pl.lit("correct"))
    assert (paired_delta(before, after).better, paired_delta(before, after).worse) == (2, 0)


def test_majority_counts_answers_in_canonical_form_without_outer_blanks():
    frame = graded([("a", "incorrect", v) for v in (" 2", "2 ", "2")] + [("a", "correct", "1")] * 2)
    assert majority_share(frame) == 0.0
    one_form = frame.with_columns(extracted_canonical=pl.Series(["x", "y", "z", None, None]))
    assert majority_share(one_form) == 1.0


def test_the_figures_of_a_summary_by_hand():
    rows = [("a", "correct"), ("a", "incorrect"), ("b", "correct"), ("b", "correct"), ("b", "correct")]
    figures = summarise(graded(rows))
    assert figures["pass_at_1"] == pytest.approx(0.75)
    assert figures["pass_at_k"] == {"1": pytest.approx(0.75), "2": 1.0}
    assert figures["low"] < 0.75 < figures["high"] and figures["tokens_mean"] == 10.0
    assert (figures["questions"], figures["samples"], figures["unscored"], figures["truncated_share"]) == (
        2,
        5,
        0,
        0,
    )
