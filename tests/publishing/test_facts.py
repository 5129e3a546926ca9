"""The card's facts against the same figures computed by hand."""

import polars as pl

from factory.publishing.facts import answer
from factory.publishing.tables import run_tables
from factory.run.layout import RunLayout


def test_lengths_are_the_quantiles_that_their_names_say(finished_run):
    answers = answer(run_tables(finished_run))
    sft = pl.read_parquet(RunLayout(finished_run).dataset("sft") / "*.parquet")
    lengths = sorted(sft["completion_tokens"])
    (row,) = answers["sft_lengths"].rows.iter_rows(named=True)
    assert (row["shortest"], row["longest"]) == (lengths[0], lengths[-1])
    for name, share in (("p10", 0.1), ("median", 0.5), ("p90", 0.9), ("p99", 0.99)):
        below = sum(length <= row[name] for length in lengths) / len(lengths)
        under = sum(length < row[name] for length in lengths) / len(lengths)
        assert under <= share <= below + 1 / len(lengths), name
    assert row["p10"] <= row["median"] <= row["p90"] <= row["p99"]


def test_quantiles_of_a_hundred_known_lengths():
    table = pl.DataFrame(
        {
            "problem_id": [f"p-{i // 2}" for i in range(101)], "completion_tokens": list(range(101)), "domain": "a",
            "level": "b", "source": "s", "licence": "MIT",
        }
    ).lazy()  # fmt: skip
    answers = answer({"sft": table})
    assert answers["sft_lengths"].rows.rows() == [(0, 10, 50, 90, 99, 100)]
    assert answers["sft_lengths"].rows.columns == ["shortest", "p10", "median", "p90", "p99", "longest"]
    (counts,) = (found for name, found in answers.items() if found.rows.columns[:2] == ["rows", "problems"])
    assert counts.rows.row(0) == (101, 51, sum(range(101)))


def test_groups_are_counted_and_the_largest_comes_first():
    names = ["b"] * 3 + ["a"] * 3 + ["c"] * 5
    table = pl.DataFrame(
        {
            "problem_id": names, "completion_tokens": 1, "domain": names, "level": "x",
            "source": names, "licence": ["MIT"] * 4 + ["CC0"] * 7,
        }
    ).lazy()  # fmt: skip
    answers = answer({"sft": table})
    assert answers["sft_domains"].rows.rows() == [("c", 5), ("a", 3), ("b", 3)]
    assert answers["sft_licences"].rows.rows() == [
        ("c", "CC0", 5), ("b", "MIT", 3), ("a", "CC0", 2), ("a", "MIT", 1),
    ]  # fmt: skip
