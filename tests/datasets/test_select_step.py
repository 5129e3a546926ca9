"""Selection: every row is either taken or dropped with the right reason; draws are even and reproducible."""

import re
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.datasets import DatasetsSection
from factory.datasets.selection import draw_evenly, hardest_first, limit_per_problem
from factory.errors import FactoryError, UsageError
from factory.run.parts import read_dropped, read_parts
from factory.steps import select
from schemas import DIFFICULTY
from tests.datasets.conftest import write


def test_midtrain_is_every_whole_correct_response(labelled, make, tmp_path):
    rows = [
        make(0, 0),
        make(0, 1, "incorrect"),
        make(0, 2, "unverifiable"),
        make(0, 3, "timeout"),
        make(0, 4, "no_answer"),
        make(1, 0, status="cut_in_answer"),
        make(1, 1, repetitive=True, loop_score=0.9),
        make(1, 2, reasoning="out </think> and in"),
        make(1, 3),
    ]
    manifest = select.run(
        labelled(rows), tmp_path / "m", DatasetsSection(), dataset="midtrain", seed=0
    ).manifest
    table = read_parts(tmp_path / "m")
    assert table["response_id"].to_list() == ["r-0-0-teacher", "r-1-3-teacher"]
    assert manifest["dropped"] == {
        "incorrect": 1,
        "unverifiable": 1,
        "timeout": 1,
        "no_answer": 1,
        "incomplete": 1,
        "repetitive": 1,
        "unrenderable": 1,
    }
    assert manifest["rows_in"] == 9
    assert table["completion"][0][0]["content"].startswith("<think>\nConsider case 0")
    assert manifest["totals"]["balance"] == [
        {"domain": "algebra", "level": "college", "rows": 2, "problems": 2, "tokens": 203}
    ]


@pytest.mark.parametrize(
    ("settings", "size", "over", "left"),
    [
        ({"sft_rows": 250}, 250, 415, 50),
        ({}, 143, 415, 157),
        ({"sft_rows": 600, "sft_per_problem": 3}, 600, 0, 115),
        ({"sft_rows": 500}, 300, 415, 0),
    ],
)
def test_300_problems_with_715_right_answers(settings, size, over, left, labelled, make, tmp_path):
    """The stated size, or all that the limit per problem leaves; every other row has its reason."""
    right = [3] * 115 + [2] * 185
    rows = [
        make(n, i, "correct" if i < count else "incorrect") for n, count in enumerate(right) for i in range(3)
    ]
    section = DatasetsSection(balance=["level"], **settings)
    manifest = select.run(labelled(rows), tmp_path / "s", section, dataset="sft", seed=0).manifest
    why = {"incorrect": 185, "over_per_problem": over, "not_drawn": left}
    assert (manifest["rows_in"], manifest["rows_out"]) == (900, size)
    assert manifest["dropped"] == {reason: count for reason, count in why.items() if count}
    assert read_parts(tmp_path / "s")["response_id"].n_unique() == size
    assert Counter(read_dropped(tmp_path / "s")["reason"]) == Counter(manifest["dropped"])


def test_sft_takes_evenly_from_cells_and_the_hardest_first(labelled, make, tmp_path):
    rows = []
    for problem in range(40):
        level = "graduate" if problem < 4 else "elementary"
        rows.append(make(problem, 0, level=level))
        rows += [make(problem, 1 + i, "incorrect", level=level) for i in range(problem % 4)]
    section = DatasetsSection(sft_rows=8, balance=["level"])
    manifest = select.run(labelled(rows), tmp_path / "s", section, dataset="sft", seed=0).manifest
    table = read_parts(tmp_path / "s")
    assert Counter(table["level"]) == {"graduate": 4, "elementary": 4}
    easy = [int(p[2:]) for p in table.filter(pl.col("level") == "elementary")["problem_id"]]
    assert all(problem % 4 == 3 for problem in easy), (
        "problems that the teacher gets wrong most often come first"
    )
    assert manifest["dropped"]["not_drawn"] == 40 - 8
    again = select.run(labelled(rows, "again"), tmp_path / "t", section, dataset="sft", seed=0).manifest
    assert again["output_digest"] == manifest["output_digest"]


def test_per_problem_and_excluded(labelled, make, tmp_path):
    rows = [make(problem, sample) for problem in range(4) for sample in range(3)]
    used = labelled([make(3, 0)], "used")
    section = DatasetsSection(midtrain_per_problem=2)
    manifest = select.run(
        labelled(rows), tmp_path / "m", section, dataset="midtrain", seed=1, exclude=[used]
    ).manifest
    assert manifest["dropped"] == {"excluded": 3, "over_per_problem": 3}
    assert read_parts(tmp_path / "m").group_by("problem_id").len()["len"].to_list() == [2, 2, 2]
    assert set(read_dropped(tmp_path / "m")["problem_id"]) == {"p-0", "p-1", "p-2", "p-3"}


def test_nothing_fit_is_a_report_not_an_empty_file(labelled, make, tmp_path):
    rows = [make(0, i, "incorrect") for i in range(3)] + [make(0, 4, status="cut_in_answer")]
    with pytest.raises(
        FactoryError, match=r"no response is fit for the sft set: 3 incorrect, 1 incomplete - .*max_tokens"
    ):
        select.run(labelled(rows), tmp_path / "s", DatasetsSection(), dataset="sft", seed=0)
    assert not (tmp_path / "s" / "_manifest.json").exists()


def test_no_responses_at_all(labelled, tmp_path):
    with pytest.raises(FactoryError, match="there are no responses"):
        select.run(labelled([]), tmp_path / "s", DatasetsSection(), dataset="midtrain", seed=0)


rows_of_cells = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=60)


@given(rows_of_cells, st.integers(1, 70), st.integers(0, 5))
@settings(deadline=None)
def test_a_draw_is_as_even_as_the_rows_allow(cells, size, seed):
    table = pl.DataFrame({"domain": [a for a, _ in cells], "level": [b for _, b in cells]})
    table = table.with_columns(response_id=pl.Series([f"r{i}" for i in range(len(cells))]))
    drawn = draw_evenly(table, size, ["domain", "level"], seed)
    assert drawn.height == min(size, table.height)
    assert drawn["response_id"].is_unique().all()
    have, got = Counter(cells), Counter(drawn.select("domain", "level").rows())
    most = max(got.values())
    assert all(got[cell] >= min(have[cell], most - 1) for cell in have)
    assert (
        draw_evenly(table.reverse(), size, ["domain", "level"], seed)
        .sort("response_id")
        .equals(drawn.sort("response_id"))
    ), "a draw depends on the rows, not on their order"


def test_hardest_is_what_the_teacher_gets_wrong_then_what_takes_longest():
    rows = pl.DataFrame(
        {
            "problem_id": ["a", "a", "b", "c", "c"],
            "verdict": ["correct", "incorrect", "correct", "correct", "unverifiable"],
            "completion_tokens": [10, 99, 50, 70, 1],
        }
    )
    ranks = hardest_first(rows)["rank"].to_list()
    assert ranks[1] < ranks[0] < ranks[3] < ranks[2] < ranks[4]


def test_limit_per_problem_draws_by_seed():
    rows = pl.DataFrame({"problem_id": ["a"] * 20, "response_id": [f"r{i}" for i in range(20)]})
    picks = [limit_per_problem(rows, 3, seed)["response_id"].to_list() for seed in (0, 0, 1)]
    assert picks[0] == picks[1] != picks[2]
    assert [len(p) for p in picks] == [3, 3, 3]


def test_a_teacher_without_reasoning_is_named_and_can_be_allowed(labelled, make, tmp_path):
    rows = [make(0, 0, status="no_reasoning", reasoning=None, content=r"2 + 5 = 7, so \boxed{7}.")]
    with pytest.raises(FactoryError, match=r"1 no_reasoning - .*need_reasoning=false"):
        select.run(labelled(rows), tmp_path / "a", DatasetsSection(), dataset="midtrain", seed=0)
    section = DatasetsSection(need_reasoning=False)
    select.run(labelled(rows), tmp_path / "b", section, dataset="midtrain", seed=0)
    assert read_parts(tmp_path / "b")["completion"][0][0]["content"] == r"2 + 5 = 7, so \boxed{7}."


def selected(rows, labelled, tmp_path, *, dataset="sft", rates=None, **settings):
    section = DatasetsSection(**{"balance": [], "sft_rows": 100, "sft_per_problem": 9} | settings)
    source = labelled(rows)
    result = select.run(source, tmp_path / "made", section, dataset=dataset, seed=0, rates=rates)
    return read_parts(tmp_path / "made"), result


def test_all_responses_are_kept_with_their_verdicts(labelled, make, tmp_path):
    verdicts = ["correct", "incorrect", "unverifiable", "no_answer"]
    rows = [make(0, n, verdict) for n, verdict in enumerate(verdicts)]
    rows += [make(1, 0, "incorrect", status="cut_in_reasoning"), make(1, 1, repetitive=True)]
    table, result = selected(rows, labelled, tmp_path, keep="all")
    assert table["verdict"].to_list() == verdicts
    assert result.manifest["dropped"] == {"incomplete": 1, "repetitive": 1}
    assert result.summary.verdicts == {"correct": 1, "incorrect": 1, "no_answer": 1, "unverifiable": 1}


def test_the_majority_is_kept_whatever_the_gold_says(labelled, make, tmp_path):
    wrong = {"extracted": "8", "extracted_canonical": "8"}
    rows = [make(0, n, "incorrect", **wrong) for n in range(3)] + [make(0, 3)]  # the gold is outvoted
    rows += [make(1, 0), make(1, 1), make(1, 2, "incorrect", **wrong)]
    rows += [make(2, 0), make(2, 1)]  # two are no majority
    rows += [make(3, 0), make(3, 1), make(3, 2, "incorrect", **wrong), make(3, 3, "incorrect", **wrong)]
    rows += [make(4, n) for n in range(2)] + [
        make(4, 2, status="cut_in_answer")
    ]  # a truncated one does not vote
    rows += [make(5, n) for n in range(3)] + [make(5, 3, "no_answer", extracted=None)]
    table, result = selected(rows, labelled, tmp_path, keep="majority")
    assert table.group_by("problem_id", "verdict").len().sort("problem_id").rows() == [
        ("p-0", "incorrect", 3), ("p-1", "correct", 2), ("p-5", "correct", 3),
    ]  # fmt: skip
    assert result.manifest["dropped"] == {"minority": 3, "no_majority": 8, "incomplete": 1}


def test_lengths_are_counted_in_tokens_and_in_bytes_where_nobody_counted(labelled, make, tmp_path):
    rows = [make(n, 0, completion_tokens=size) for n, size in enumerate([99, 100, 200, 201])]
    rows += [
        make(n, 0, completion_tokens=None, reasoning="x" * size, content="\\boxed{7}")
        for n, size in ((4, 390), (5, 391), (6, 794), (7, 795))
    ]
    table, result = selected(rows, labelled, tmp_path, min_tokens=100, max_tokens=200)
    assert table["problem_id"].to_list() == ["p-1", "p-2", "p-5", "p-6"]
    assert result.manifest["dropped"] == {"below_min_tokens": 2, "above_max_tokens": 2}
    with pytest.raises(ValueError, match="min_tokens 3 is above max_tokens 2"):
        DatasetsSection(min_tokens=3, max_tokens=2)


@pytest.mark.parametrize(
    ("problem", "reasoning", "same"),
    [
        ("What is 2 + 3?", "Two and three make five.", True),
        ("What is 2 + 3?", "二加三等于五。", False),
        ("二加三等于几？", "我们先看 \\frac{1}{2}，所以 x = 5。", True),
        ("二加三等于几？", "We add them and get five.", False),
        ("2 と 3 を足すといくつですか。", "足すと五になります。", True),
        ("2 と 3 を足すといくつですか。", "二加三等于五。", False),
        ("Сколько будет 2 + 3?", "Складываем: пять.", True),
        ("Сколько будет 2 + 3?", "We add them.", False),
        ("2 + 3 = ?", "二加三等于五。", True),  # a problem without words is in every language
        ("$x^2 + a_1 x = 4$, x = ?", "二加三等于五。", True),
        ("2 더하기 3은?", "더하면 5입니다.", True),
        ("写一个函数。", "先想一想。\n```python\ndef f(a, b):\n    return a + b\n```", True),
    ],
)
def test_the_language_of_the_trace_is_that_of_the_problem(problem, reasoning, same, labelled, make, tmp_path):
    rows = [make(0, 0), make(1, 0, problem=problem, reasoning=reasoning)]
    _, result = selected(rows, labelled, tmp_path, same_language=True)
    assert result.manifest["dropped"] == ({} if same else {"other_language": 1})


def test_only_problems_that_the_student_fails_go_to_sft(labelled, make, tmp_path):
    kind = {name: None for name in DIFFICULTY.names} | {
        "source": "s", "problem": "?", "guess_rate": 0.0, "pass_rate": 0.5, "pass_rate_corrected": 0.5,
    }  # fmt: skip
    counts = [(8, 0), (8, 2), (8, 3), (0, 0)]
    rates = [
        kind | {"id": f"p-{n}", "attempts": of, "correct": solved} for n, (of, solved) in enumerate(counts)
    ]
    folder = write(tmp_path / "rates", rates, DIFFICULTY)
    rows = [make(n, 0) for n in range(5)]
    table, result = selected(rows, labelled, tmp_path, rates=folder, max_pass_rate=0.25)
    assert table["problem_id"].to_list() == ["p-0", "p-1"]
    assert result.manifest["dropped"] == {"student_solves_it": 1, "no_pass_rate": 2}
    midtrain = select.run(
        tmp_path / "labelled", tmp_path / "m", DatasetsSection(max_pass_rate=0.25), dataset="midtrain", seed=0
    )
    assert midtrain.manifest["rows_out"] == 5
    with pytest.raises(UsageError, match="factory difficulty"):
        select.run(
            tmp_path / "labelled", tmp_path / "n", DatasetsSection(max_pass_rate=0.25), dataset="sft", seed=0
        )


def test_a_share_of_the_set_is_shortened_and_keeps_its_answer(labelled, make, tmp_path):
    long = " ".join(f"step{n:05d}" for n in range(2_000))
    rows = [make(n, 0, reasoning=f"{n} {long}") for n in range(40)] + [make(50, 0), make(51, 0)]
    table, result = selected(rows, labelled, tmp_path, shortened=0.25)
    cut = table.filter(pl.col("shortened"))
    assert (table.height, cut.height, result.summary.shortened) == (42, 10, 10)
    texts = [row[0]["content"] for row in cut["completion"]]
    thoughts = [text.partition("</think>")[0] for text in texts]
    assert all(text.endswith("</think>\n\nSo it is \\boxed{7}.") for text in texts)
    assert all(4_000 - 20 < len(text) <= 8_000 + 8 for text in thoughts) and len(set(map(len, thoughts))) > 5
    assert all(re.fullmatch(r"step\d{5}", text.split()[-1]) for text in thoughts)
    assert cut["completion_tokens"].null_count() == 10
    everything, _ = selected(rows, labelled, tmp_path, shortened=1)
    assert everything["shortened"].sum() == 40  # two are too short to be cut


def test_a_set_is_balanced_over_any_column(labelled, make, tmp_path):
    rows = [make(n, 0, source="large" if n else "small") for n in range(9)]
    table, _ = selected(rows, labelled, tmp_path, balance=["source"], sft_rows=2)
    assert sorted(table["source"]) == ["large", "small"]
