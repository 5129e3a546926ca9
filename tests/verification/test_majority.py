"""Votes over frames and parts, the least number of samples, and what filling in keeps."""

import polars as pl
import pytest

from factory.config.verify import VerifySection
from factory.verification import Verifier
from factory.verification.gold import Vote, contradicted, count_votes, fill_gold, majority_votes, tally


def frame(answers, problem="p-1"):
    return pl.DataFrame(
        {
            "problem_id": [problem] * len(answers),
            "problem": "?",
            "content": [f"\\boxed{{{a}}}" if a else "" for a in answers],
            "status": "complete",
            "answer": pl.Series([None] * len(answers), dtype=pl.String),
        }
    )


@pytest.fixture(scope="module")
def verifier():
    with Verifier(VerifySection(workers=1)) as one:
        yield one


def test_votes_are_counted_over_all_frames(verifier):
    votes = majority_votes([frame(["1", "2"]), frame(["2"]), frame(["2", "3"], "p-2")], verifier)
    assert votes == {"p-1": Vote("2", 2, 3)}


def test_tallies_of_parts_make_the_votes_of_all(verifier):
    parts = [tally([frame(answers)], verifier) for answers in (["1", "1/2"], ["0.5", "0.50"])]
    assert (
        count_votes(parts)
        == {"p-1": Vote("1/2", 3, 4)}
        == majority_votes([frame(["1", "1/2", "0.5", "0.50"])], verifier)
    )


@pytest.mark.parametrize(
    ("answers", "won"),
    [
        (["1", "1"], None),  # too few samples
        (["1", "1", "1"], Vote("1", 3, 3)),
        (["1", "1", "2"], Vote("1", 2, 3)),
        (["1", "1", None], None),  # the third gives no answer
        (["1", "1", "2", "2"], None),  # half is no majority
        (["1", "2", "3"], None),
    ],
)
def test_more_than_half_of_three_and_more_samples_win(verifier, answers, won):
    assert majority_votes([frame(answers)], verifier).get("p-1") == won


def test_filling_in_keeps_golds_and_former_sources():
    rows = pl.DataFrame(
        {
            "problem_id": ["a", "b", "c", "d"],
            "answer": ["7", None, "  ", None],
            "answer_source": ["source", None, None, "older"],
        }
    )
    filled = fill_gold(rows, {name: Vote("8", 2, 3) for name in "abc"})
    assert filled["answer"].to_list() == ["7", "8", "8", None]
    assert filled["answer_source"].to_list() == ["source", "majority", "majority", "older"]
    assert filled["answer_votes"].to_list() == [None, "2/3", "2/3", None]
    plain = fill_gold(rows.drop("answer_source"), {"b": Vote("8", 2, 3)})
    assert plain["answer_source"].to_list() == [None, "majority", None, None]


def test_no_tallies_make_no_votes(verifier):
    assert count_votes([]) == {} == count_votes([tally([], verifier)])


def test_the_columns_are_text_though_nothing_is_filled_in():
    rows = pl.DataFrame({"problem_id": ["a"], "answer": [None]}, schema_overrides={"answer": pl.String})
    filled = fill_gold(rows, {})
    assert [filled.schema[name] for name in ("answer", "answer_source", "answer_votes")] == [pl.String] * 3


@pytest.mark.parametrize(
    ("vote", "flagged"),
    [
        (Vote("2", 3, 4), True), (Vote("2", 2, 3), False), (Vote("2", 3, 3), False), (Vote("2", 3, 5), False),
        (Vote("9", 4, 4), False), (None, False),
    ],
)  # fmt: skip
def test_a_gold_is_contradicted_by_many_samples_that_agree(vote, flagged):
    checked = pl.DataFrame(
        {
            "problem_id": ["p", "p"],
            "answer": "1",
            "extracted": ["2", "1"],
            "verdict": ["incorrect", "correct"],
        }
    )
    found = contradicted(checked, {"p": vote} if vote else {})
    assert found["id"].to_list() == (["p"] if flagged else [])
    if flagged:
        assert found["detail"][0] == "gold 1, but 3 of 4 samples say 2"


def test_contradictions_keep_the_order_of_the_rows():
    names = [f"p-{i}" for i in range(50, 0, -1)]
    checked = pl.DataFrame({"problem_id": names, "answer": "1", "extracted": "2", "verdict": "incorrect"})
    assert contradicted(checked, dict.fromkeys(names, Vote("2", 4, 4)))["id"].to_list() == names
