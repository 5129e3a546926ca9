import json

import numpy as np
import polars as pl
import pytest

from factory.config.deduplication import DeduplicationSection, Keep
from factory.deduplication import deduplicate
from factory.deduplication.bands import bucket_codes, optimal_bands
from factory.deduplication.deduplicate import row_ids
from factory.deduplication.evidence import _dropped
from factory.errors import UsageError
from factory.text.hashing import mix

LONG = (
    "A train leaves the station at noon and travels east along the coast while a second train leaves the harbour and "
    "travels west through the hills until both of them meet near the old bridge where the river bends sharply "
    "towards the sea and the fishermen mend their nets"
)


def rows(*texts, **columns):
    return pl.DataFrame({"id": [f"p{i}" for i in range(len(texts))], "problem": texts, **columns})


def evidence(result):
    return {row["row_id"]: json.loads(row["evidence"]) for row in result.dropped.iter_rows(named=True)}


def test_exact_and_near_duplicates_are_dropped_with_evidence():
    near = LONG.replace("noon", "midday")
    result = deduplicate(
        rows(LONG, LONG.upper(), near, "Something else."), DeduplicationSection(), field="problem"
    )
    assert result.kept["id"].to_list() == ["p0", "p3"]
    assert result.dropped["reason"].to_list() == ["exact_duplicate", "near_duplicate"]
    found = evidence(result)
    assert found["p1"]["survivor"] == found["p2"]["survivor"] == "p0"
    assert found["p1"]["similarity"] == 1.0
    assert 0.8 <= found["p2"]["similarity"] < 1.0
    assert found["p1"]["cluster_id"] == result.kept["cluster_id"][0]
    assert json.loads(result.dropped["row"][0])["problem"] == LONG.upper()
    assert result.audit["recall"] == 1.0


def test_the_similarity_is_the_exact_jaccard():
    near = LONG.replace("noon", "midday")
    words = [text.lower().split() for text in (LONG, near)]
    one, other = ({tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in words)
    result = deduplicate(rows(LONG, near), DeduplicationSection(), field="problem")
    assert evidence(result)["p1"]["similarity"] == round(len(one & other) / len(one | other), 4)


@pytest.mark.parametrize("change", [("noon", "3 o'clock"), ("second", "third")])
def test_texts_with_other_numbers_are_other_problems_unless_asked(change):
    other = LONG.replace(*change)
    base = LONG.replace("noon", "2 o'clock")
    other = base.replace("2 o'clock", "3 o'clock") if change[0] == "noon" else base.replace(*change)
    kept = deduplicate(rows(base, other), DeduplicationSection(threshold=0.7), field="problem").kept
    assert kept.height == 2 if change[0] == "noon" or change[1] == "third" else 1
    loose = DeduplicationSection(threshold=0.7, numbers_differ=False)
    assert deduplicate(rows(base, other), loose, field="problem").kept.height == 1


def test_a_minus_sign_makes_another_number():
    base = LONG + " and stands at -3 metres"
    assert (
        deduplicate(rows(base, base.replace("-3", "3")), DeduplicationSection(), field="problem").kept.height
        == 2
    )


@pytest.mark.parametrize(
    ("keep", "sources", "expected"),
    [
        ([Keep.FIRST], [], "p0"),
        ([Keep.VERIFIED], [], "p2"),
        ([Keep.ANSWERED], [], "p1"),
        ([Keep.SOURCE], ["gold", "web"], "p3"),
        ([Keep.SHORTER], [], "p1"),
        ([Keep.LONGER], [], "p3"),
    ],
)
def test_the_survivor_is_chosen_by_the_declared_order(keep, sources, expected):
    table = rows(
        LONG + "  .",
        LONG,
        LONG + " .",
        LONG + "      !!",
        verdict=["incorrect", None, "correct", "incorrect"],
        answer=[None, "4", "4", ""],
        source=["web", "web", "web", "gold"],
    ).with_columns(problem=pl.col("problem").str.replace("!!", ".."))
    section = DeduplicationSection(keep=keep, sources=sources)
    assert deduplicate(table, section, field="problem").kept["id"].to_list() == [expected]


def test_the_survivor_does_not_depend_on_luck():
    table = rows(
        *[LONG + " " * i for i in range(30)], answer=["7" if i % 7 == 3 else None for i in range(30)]
    )
    first = deduplicate(table, DeduplicationSection(), field="problem")
    assert first.kept["id"].to_list() == ["p3"]
    assert deduplicate(table, DeduplicationSection(), field="problem").dropped.equals(first.dropped)


def test_responses_are_compared_whole_and_within_their_problem():
    table = pl.DataFrame(
        {
            "response_id": ["r1", "r2", "r3", "r4"],
            "problem_id": ["a", "a", "b", "a"],
            "reasoning": [LONG, LONG, LONG, LONG],
            "content": ["The answer is four.", "The answer is four.", "The answer is four.", None],
        }
    )
    section = DeduplicationSection(threshold=1.0)
    within = deduplicate(table, section, field="reasoning", within="problem_id")
    assert within.kept["response_id"].to_list() == ["r1", "r3", "r4"]
    across = deduplicate(table, section, field="reasoning")
    assert across.kept["response_id"].to_list() == ["r1", "r4"]


def test_rows_already_published_win_and_are_not_returned():
    result = deduplicate(
        rows("new text " + LONG, "only here"),
        DeduplicationSection(threshold=0.7),
        field="problem",
        against=pl.DataFrame({"id": ["old"], "problem": [LONG]}),
    )
    assert result.kept["id"].to_list() == ["p1"]
    assert evidence(result)["p0"]["survivor"] == "against:old"


def test_empty_and_wordless_texts_are_no_duplicates_of_each_other():
    result = deduplicate(rows("???", "!?", "; ;", "", None), DeduplicationSection(), field="problem")
    assert set(result.kept["id"]) >= {"p0", "p1", "p2"}
    assert result.kept.height + result.dropped.height == 5


def test_texts_of_numbers_alone_are_compared_as_others_are():
    result = deduplicate(rows("42", "43", "1 2 3", "$42$", "1 2 4"), DeduplicationSection(), field="problem")
    assert result.dropped["row_id"].to_list() == ["p3"]


def test_no_rows():
    assert deduplicate(rows("a")[:0], DeduplicationSection(), field="problem").kept.height == 0


def test_a_missing_column_is_the_users_mistake():
    with pytest.raises(UsageError, match="no column question"):
        deduplicate(rows("a"), DeduplicationSection(), field="question")


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_bands_find_what_is_at_the_threshold_and_fit_the_permutations(threshold):
    bands, width = optimal_bands(threshold, 128, DeduplicationSection().false_negative_weight)
    assert bands * width <= 128
    assert 1 - (1 - (threshold + 0.02) ** width) ** bands > 0.97


def pairs_of(codes):
    return [(code >> 32, code & 0xFFFFFFFF) for code in codes.tolist()]


def test_pairs_of_a_bucket_too_large_for_all_pairs():
    keys = mix(np.array([7] * 10 + [1, 2, 2], dtype=np.uint64))
    rows = np.arange(20, 33)
    everything = pairs_of(bucket_codes(keys, rows))
    assert len(everything) == 45 + 1
    assert (31, 32) in everything
    few = pairs_of(bucket_codes(keys, rows, neighbours=2))
    assert {(20, i) for i in range(21, 30)} <= set(few)
    assert len(few) < 45


def test_rows_without_company_have_no_pairs():
    assert bucket_codes(np.zeros(0, np.uint64), np.zeros(0, np.int64)).size == 0
    assert bucket_codes(np.ones(1, np.uint64), np.zeros(1, np.int64)).size == 0


def test_ids_and_dropped_rows_of_a_table_in_several_chunks():
    """`pl.format` panicked on those (polars 2.1)."""
    kinds = {"id": pl.String, "problem_id": pl.String}
    rows = [pl.DataFrame({"id": [name], "problem_id": ["p"]}, schema=kinds) for name in (None, "x")]
    rows = pl.concat(rows, rechunk=False)
    assert rows.n_chunks() == 2
    assert row_ids(rows).to_list() == ["row-1", "x"]
    assert row_ids(rows.drop("id"), first=5).to_list() == ["row-6", "row-7"]
    fates = [
        pl.DataFrame(
            {
                "row_id": [n],
                "cluster_id": ["c"],
                "group": ["g"],
                "survivor": ["s"],
                "similarity": [0.5],
                "exact": [True],
                "outvoted": [n == "b"],
            }
        )
        for n in "ab"
    ]
    dropped = _dropped(rows, pl.concat(fates, rechunk=False), "dedup")
    assert dropped["detail"].to_list() == ["duplicate of s", "another gold in cluster g"]
    assert dropped["reason"].to_list() == ["exact_duplicate", "contradicting_gold"]
