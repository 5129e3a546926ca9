"""RL prompts: the band, the order, the forecast, and disjointness."""

import numpy as np
import polars as pl
import pytest

from factory.config.preference import RLPromptsSection
from factory.datasets.posterior import JEFFREYS, difficulty_table
from factory.datasets.rl_prompts import band_reason, dead_group_probability, in_training_order
from factory.errors import FactoryError
from factory.run.parts import read_dropped, read_parts
from factory.run.step_writer import StepWriter
from factory.steps import rl_prompts
from schemas import DIFFICULTY
from schemas.outcome import with_guess_rate


@pytest.fixture
def difficulty(make, tmp_path):
    """Sixteen problems; problem i is solved in i of 16 rollouts and takes 10 * (i + 1) tokens on average."""
    rows = [
        make(
            i,
            s,
            "correct" if s < i else "incorrect",
            completion_tokens=10 * (i + 1) + (s % 2),
            model_revision="c",
        )
        for i in range(16)
        for s in range(16)
    ]
    rollouts = pl.DataFrame(rows)
    problems = rollouts.unique("problem_id", maintain_order=True).rename({"problem_id": "id"})
    problems = problems.select("id", "problem", "answer", "answer_kind", "source", "domain", "level")
    table = difficulty_table(problems, rollouts, low=0.1, high=0.9, prior=JEFFREYS)
    with StepWriter(tmp_path / "d", "difficulty", DIFFICULTY) as writer:
        writer.keep(table)
        writer.finish(rows_in=table.height)
    return tmp_path / "d"


def ids(folder):
    return [int(problem[2:]) for problem in read_parts(folder)["problem_id"]]


def test_the_band_is_open_below_and_closed_above(difficulty, tmp_path):
    manifest = rl_prompts.run(difficulty, tmp_path / "o", RLPromptsSection(), seed=0).manifest
    assert sorted(ids(tmp_path / "o")) == list(range(1, 9))
    assert manifest["dropped"] == {"never_solved": 1, "too_easy": 7}
    assert manifest["rows_in"] == 16


def test_prompts_stand_in_training_order(difficulty, tmp_path):
    rl_prompts.run(difficulty, tmp_path / "o", RLPromptsSection(), seed=0)
    table = read_parts(tmp_path / "o")
    assert table["bucket"].to_list() == [0, 1, 2, 3, 0, 1, 2, 3], "every stretch holds every length"
    longest = table.group_by("bucket").agg(pl.max("tokens_mean"), low=pl.min("tokens_mean")).sort("bucket")
    assert (longest["tokens_mean"][:-1] <= longest["low"][1:]).all()
    assert table["prompt"][0].to_list()[0]["content"].startswith("What is the value of thing number")


def test_uneven_lengths_and_the_limit_have_their_reasons(difficulty, tmp_path):
    section = RLPromptsSection(max_length_cv=0.015, max_prompts=2)
    manifest = rl_prompts.run(difficulty, tmp_path / "o", section, seed=0).manifest
    assert len(ids(tmp_path / "o")) == 2
    assert manifest["dropped"]["uneven_length"] == 2
    assert manifest["dropped"]["beyond_max_prompts"] == 4


def test_where_nobody_waits_for_prompts_there_may_be_none(difficulty, tmp_path):
    section = RLPromptsSection(low=0.0, high=0.01)
    with pytest.raises(FactoryError, match="no problem is fit for RL"):
        rl_prompts.run(difficulty, tmp_path / "o", section, seed=0)
    result = rl_prompts.run(difficulty, tmp_path / "o", section, seed=0, may_be_empty=True)
    assert result.manifest["rows_out"] == 0 and result.summary.forecast["prompts"] == 0
    assert sum(result.manifest["dropped"].values()) == result.manifest["rows_in"]
    assert read_parts(tmp_path / "o").height == 0


def test_used_problems_are_left_out_by_id_text_and_nearness(difficulty, labelled, make, tmp_path):
    used = labelled(
        [
            make(1, 0),
            make(901, 0, problem="what is the value of THING number 2 in the list of things"),
        ],
        "sft",
    )
    manifest = rl_prompts.run(difficulty, tmp_path / "o", RLPromptsSection(), seed=0, exclude=[used]).manifest
    assert sorted(ids(tmp_path / "o")) == list(range(3, 9))
    assert manifest["dropped"]["already_used"] == 2
    dropped = read_dropped(tmp_path / "o").filter(pl.col("reason") == "already_used")
    assert dropped["detail"].to_list()[0].startswith("used in ")


def test_forecast_of_dead_groups_equals_a_simulation():
    rng = np.random.default_rng(0)
    for alpha, beta, group in ((0.5, 8.5, 8), (4.2, 4.2, 4), (7, 1, 16)):
        rates = rng.beta(alpha, beta, 100_000)
        right = rng.binomial(group, rates)
        simulated = ((right == 0) | (right == group)).mean()
        assert dead_group_probability([alpha], [beta], group)[0] == pytest.approx(simulated, abs=6e-3)


def test_at_a_known_rate_the_forecast_is_the_formula():
    p, group, much = 0.3, 8, 1e7
    assert dead_group_probability([p * much], [(1 - p) * much], group)[0] == pytest.approx(
        p**group + (1 - p) ** group, rel=1e-4
    )


def test_the_band_lowers_the_forecast(difficulty, tmp_path):
    totals = rl_prompts.run(difficulty, tmp_path / "o", RLPromptsSection(low=0.1, high=0.8), seed=0).manifest[
        "totals"
    ]
    assert totals["forecast"]["share"] < totals["forecast_all"]["share"]
    assert totals["forecast"]["dead_groups"] == pytest.approx(
        totals["forecast"]["share"] * totals["forecast"]["prompts"]
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (RLPromptsSection(low=0.995, high=1.0), r"too_hard.* - lower rl_prompts.low"),
        (RLPromptsSection(max_length_cv=1e-9), r"uneven_length.* - raise rl_prompts.max_length_cv"),
    ],
)
def test_no_prompt_left_says_which_setting_to_change(difficulty, tmp_path, section, message):
    with pytest.raises(FactoryError, match=message):
        rl_prompts.run(difficulty, tmp_path / "o", section, seed=0)
    assert not (tmp_path / "o" / "_manifest.json").exists()


def test_no_rollouts_at_all(tmp_path):
    with StepWriter(tmp_path / "d", "difficulty", DIFFICULTY) as writer:
        writer.finish(rows_in=0)
    with pytest.raises(FactoryError, match="the student was rolled out on none"):
        rl_prompts.run(tmp_path / "d", tmp_path / "o", RLPromptsSection(), seed=0)


@pytest.mark.parametrize(
    ("correct", "answer", "kind", "low", "high", "reason"),
    [
        (4, "7", "math", 0.0, 0.5, None),
        (4, None, "math", 0.0, 0.5, "no_gold"),
        (4, None, None, 0.0, 0.5, "no_gold"),
        (4, None, "reasoning_gym", 0.0, 0.5, None),
        (4, "7", "reasoning_gym", 0.0, 0.5, None),
        (4, None, "code", 0.0, 0.5, None),  # its tests are the gold
        (4, "7", None, 0.0, 0.5, None),
        (0, "7", "math", 0.0, 0.5, "never_solved"),
        (0, None, "math", 0.0, 0.5, "no_gold"),
        (8, "7", "math", 0.0, 0.5, None),  # the rate is exactly the upper bound
        (9, "7", "math", 0.0, 0.5, "too_easy"),
        (4, "7", "math", 0.25, 0.5, "too_hard"),  # exactly the lower bound
        (5, "7", "math", 0.25, 0.5, None),
        (16, "7", "math", 0.0, 1.0, None),
    ],
)
def test_the_band_case_by_case(correct, answer, kind, low, high, reason):
    row = pl.DataFrame(
        {"correct": [correct], "attempts": [16], "answer": [answer], "answer_kind": [kind]},
        schema_overrides={"answer": pl.String, "answer_kind": pl.String},
    )
    assert with_guess_rate(row).select(band_reason(low, high)).item() == reason


def test_order_within_and_across_buckets():
    rows = pl.DataFrame({"problem_id": ["d", "c", "b", "a", "e"], "tokens_mean": [5.0, None, 9.0, 5.0, 1.0]})
    made = in_training_order(rows, 2, seed=0)
    assert made["bucket"].to_list() == [0, 1, 0, 1, 0]
    assert set(made.filter(bucket=0)["problem_id"]) == {"e", "a", "d"}, "without a length: last"
    orders = {tuple(in_training_order(rows, 2, seed=seed)["problem_id"]) for seed in range(20)}
    assert len(orders) > 5
    assert in_training_order(rows.reverse(), 2, seed=0).equals(made)
