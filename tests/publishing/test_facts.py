"""The card's numbers against numbers counted by hand: the queries themselves, not the engine."""

import polars as pl
import pytest

from factory.publishing.run_sql import TOKENS, answer, facts

SFT = pl.LazyFrame(
    {
        "problem_id": [f"p{n // 2}" for n in range(200)],
        "completion_tokens": list(range(1, 201)),
        "domain": ["algebra"] * 150 + ["geometry"] * 50,
        "level": ["college"] * 200,
        "source": ["a"] * 120 + ["b"] * 80,
        "licence": ["MIT"] * 120 + [None] * 80,
    }
)
VERDICTS = pl.LazyFrame(
    {
        "sampler": ["t"] * 5,
        "model": ["m", "m", "m", "n", "n"],
        "status": ["complete"] * 4 + ["looped"],
        "method": ["literal", "literal", "numeric", "numeric", "none"],
        "verdict": ["correct", "correct", "incorrect", "correct", "no_answer"],
        "temperature": [0.6] * 3 + [None] * 2,
        "top_p": [0.95] * 3 + [None] * 2,
        "max_tokens": [64] * 3 + [None] * 2,
        "source_set": [None] * 3 + ["owner/set"] * 2,
        "source_revision": [None] * 3 + ["abc"] * 2,
        "licence": ["MIT"] * 5,
    }
)
DIFFICULTY = pl.LazyFrame(
    {"band": ["useful", "useful", "too_hard"], "pass_rate": [0.4, 0.6, 0.05], "attempts": [4, 6, 16]}
)


def rows(name, **tables):
    return answer(tables)[name].rows.to_dicts()


def test_size_and_quantiles_of_a_set():
    assert rows("sft_size", sft=SFT) == [{"rows": 200, "problems": 100, "tokens": 200 * 201 // 2}]
    (lengths,) = rows("sft_lengths", sft=SFT)
    assert lengths == {
        "shortest": 1,
        "p10": pytest.approx(20, abs=1),
        "median": pytest.approx(100, abs=1),
    } | {
        "p90": pytest.approx(180, abs=1),
        "p99": pytest.approx(198, abs=1),
        "longest": 200,
    }


def test_counts_of_a_set_come_largest_first():
    assert rows("sft_domains", sft=SFT) == [
        {"domain": "algebra", "rows": 150},
        {"domain": "geometry", "rows": 50},
    ]
    assert rows("sft_levels", sft=SFT) == [{"level": "college", "rows": 200}]
    assert rows("sft_licences", sft=SFT) == [
        {"source": "a", "licence": "MIT", "rows": 120},
        {"source": "b", "licence": None, "rows": 80},
    ]


def test_settings_that_nobody_knows_are_none_and_imported_rows_say_whence():
    given = VERDICTS.with_columns(
        sampler=pl.when(pl.col("model") == "n").then(pl.lit("import")).otherwise("sampler")
    )
    assert rows("sampling", verdicts=given) == [
        {"sampler": "t", "model": "m", "temperature": 0.6, "top_p": 0.95, "max_tokens": 64, "responses": 3},
        {
            "sampler": "import",
            "model": "n",
            "temperature": None,
            "top_p": None,
            "max_tokens": None,
            "responses": 2,
        },
    ]
    assert rows("origins", verdicts=given) == [
        {"source_set": "owner/set", "source_revision": "abc", "model": "n", "licence": "MIT", "responses": 2}
    ]


def test_verdicts_models_and_status():
    assert rows("models", verdicts=VERDICTS) == [
        {"sampler": "t", "model": "m", "responses": 3},
        {"sampler": "t", "model": "n", "responses": 2},
    ]
    assert rows("status", verdicts=VERDICTS) == [
        {"status": "complete", "responses": 4},
        {"status": "looped", "responses": 1},
    ]
    assert rows("verdicts", verdicts=VERDICTS)[0] == {
        "method": "literal",
        "verdict": "correct",
        "responses": 2,
    }


def test_pass_rates_by_band():
    assert rows("bands", difficulty=DIFFICULTY) == [
        {"band": "too_hard", "problems": 1, "mean_pass_rate": 0.05, "rollouts": 16},
        {"band": "useful", "problems": 2, "mean_pass_rate": pytest.approx(0.5), "rollouts": 10},
    ]


def test_a_set_without_token_counts_has_no_lengths():
    prompts = SFT.drop("completion_tokens")
    assert rows("rl_size", rl=prompts) == [{"rows": 200, "problems": 100}]
    assert "rl_lengths" not in answer({"rl": prompts})
    assert TOKENS["rl"] is None


def test_every_block_is_read_once_and_is_one_line_of_sql():
    class Everything(dict):
        def __contains__(self, _):
            return True

    found = facts(Everything())
    names = [fact.name for fact in found]
    assert len(names) == len(set(names)) == 36
    assert all(fact.sql.startswith("SELECT ") and not set("{};\n") & set(fact.sql) for fact in found)
    assert all(fact.title and "{" not in fact.title for fact in found)
