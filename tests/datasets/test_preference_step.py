"""The pairs step: pools, books, the gate, and clear reports when no pair can be made."""

import json

import pytest

from factory.config.preference import PreferenceSection
from factory.errors import FactoryError, UsageError
from factory.run.parts import read_dropped, read_parts
from factory.steps import preference
from schemas import PREFERENCE


def pairs(verdicts, rollouts, out, **settings):
    return preference.run(verdicts, rollouts, out, PreferenceSection(**settings), seed=0).manifest


@pytest.fixture
def mixed(make, other):
    """Right and wrong teacher responses to ten problems; problem 0 has no wrong, problem 1 no right one."""
    rows = [make(p, 0) for p in range(10) if p != 1]
    return rows + [other(p, 1) for p in range(10) if p != 0]


def test_pairs_of_the_teacher(labelled, mixed, tmp_path):
    manifest = pairs(labelled(mixed), None, tmp_path / "o", rejected_from="teacher")
    table = read_parts(tmp_path / "o")
    assert table.height == 8
    assert set(table["pair_rule"]) == {"nearest_length"}
    row = table.row(0, named=True)
    assert row["chosen"][0]["content"].endswith(r"\boxed{7}.")
    assert row["rejected"][0]["content"].endswith(r"\boxed{8}.")
    assert row["prompt"] == [
        {"role": "user", "content": "What is the value of thing number 2 in the list of things?"}
    ]
    assert manifest["dropped"] == {"no_correct": 1, "no_incorrect": 1}
    assert manifest["rows_in"] == 10
    assert manifest["totals"]["lint"]["passed"]
    assert json.loads((tmp_path / "o" / "__side" / "lint.json").read_text()) == manifest["totals"]["lint"]
    assert pairs(labelled(mixed, "same"), None, tmp_path / "o", rejected_from="teacher") == manifest


@pytest.mark.parametrize("verdict", ["unverifiable", "timeout", "no_answer"])
def test_only_verified_wrong_answers_are_rejected(labelled, make, other, tmp_path, verdict):
    rows = [make(p, 0) for p in range(3)] + [other(p, 1, verdict) for p in range(3)]
    with pytest.raises(
        FactoryError, match=r"no pair can be made.*3 no_incorrect - every complete answer is right"
    ):
        pairs(labelled(rows), None, tmp_path / "o", rejected_from="teacher")


def test_rejected_of_the_student(labelled, verdicts, make, other, tmp_path):
    teacher = [make(p, s, "correct" if s else "incorrect") for p in range(5) for s in range(2)]
    student = [other(p, 0, sampler="student") for p in range(5)]
    pairs(labelled(teacher), verdicts(student), tmp_path / "o", rejected_from="student", max_length_bias=2)
    table = read_parts(tmp_path / "o")
    assert set(table["rejected_sampler"]) == {"student"}
    assert set(table["chosen_sampler"]) == {"teacher"}
    with pytest.raises(UsageError, match="needs the student's rollouts"):
        pairs(labelled(teacher), None, tmp_path / "p", rejected_from="both")


def test_chosen_of_the_student(labelled, verdicts, make, other, tmp_path):
    """The student's right answer to problem 0 is chosen; problem 1, which it never solves, falls to the teacher."""
    teacher = [make(p, 0) for p in range(2)]
    student = [make(0, 5, sampler="student"), *(other(p, 6, sampler="student") for p in range(2))]
    folders = labelled(teacher), verdicts(student)
    own = {"chosen_from": "student", "rejected_from": "student", "max_length_bias": 9, "max_format_bias": 1}
    pairs(*folders, tmp_path / "o", **own)
    table = read_parts(tmp_path / "o")
    assert table.select("problem_id", "chosen_sampler").rows() == [("p-0", "student")]
    pairs(*folders, tmp_path / "p", **own | {"chosen_from": "both", "per_problem": 2})
    table = read_parts(tmp_path / "p")
    assert {("p-1", "teacher")} <= set(table.select("problem_id", "chosen_sampler").rows())
    with pytest.raises(UsageError, match="chosen_from=student needs the student's rollouts"):
        pairs(labelled(teacher, "t"), None, tmp_path / "q", chosen_from="student", rejected_from="teacher")


def test_delta_pairs_take_the_weak_models_answer_right_or_wrong(labelled, verdicts, make, other, tmp_path):
    student = [other(0, 0, "correct", sampler="student"), other(1, 0, sampler="student")]
    student.append(other(2, 0, "unverifiable", sampler="student"))
    pairs(labelled([make(p, 0) for p in range(3)]), verdicts(student), tmp_path / "o", rejected_from="delta")
    table = read_parts(tmp_path / "o")
    assert table["problem_id"].to_list() == ["p-0", "p-1"]
    assert set(table["pair_rule"]) == {"delta:nearest_length"}


def test_cut_responses_are_rejected_only_when_asked_for(labelled, make, other, tmp_path):
    cut = {"status": "cut_in_reasoning", "content": None}
    rows = [make(p, 0) for p in range(4)] + [other(p, 1, "no_answer", **cut) for p in range(4)]
    with pytest.raises(FactoryError, match="allow_truncated"):
        pairs(labelled(rows), None, tmp_path / "o", rejected_from="teacher")
    pairs(
        labelled(rows, "b"),
        None,
        tmp_path / "p",
        rejected_from="teacher",
        allow_truncated=True,
        max_format_bias=1.0,
        max_length_bias=9.0,
    )
    assert "</think>" not in read_parts(tmp_path / "p")["rejected"][0][0]["content"]


def test_k_pairs_a_problem_and_a_balanced_limit(labelled, make, other, tmp_path):
    rows = []
    for p in range(12):
        level = "graduate" if p < 2 else "middle"
        rows += [make(p, s, level=level) for s in range(3)] + [other(p, 5 + s, level=level) for s in range(3)]
    manifest = pairs(
        labelled(rows), None, tmp_path / "o", rejected_from="teacher", per_problem=2, max_pairs=8
    )
    table = read_parts(tmp_path / "o")
    assert sorted(table["level"].to_list()) == ["graduate"] * 4 + ["middle"] * 4
    assert table["chosen_response_id"].is_unique().all()
    assert manifest["dropped"] == {"over_max_pairs": 24 - 8}


def test_the_gate_fails_and_match_length_opens_it(labelled, make, other, tmp_path):
    rows = []
    for p in range(60):
        long = p % 13 + (12 if p % 3 == 0 else 0)
        rows += [make(p, 0, reasoning=f"case {p} in full " + "and on " * long)]
        rows += [other(p, 1, reasoning=f"wrongly {p} here " + "so it is " * ((p * 5) % 11))]
    folder = labelled(rows)
    with pytest.raises(FactoryError, match=r"fail their lint: length bias .*match_length=true"):
        pairs(folder, None, tmp_path / "o", rejected_from="teacher")
    assert not (tmp_path / "o" / "_manifest.json").exists()
    saved = json.loads((tmp_path / "o" / "__side" / "lint.json").read_text())
    assert not saved["passed"]
    assert saved["worst"]
    manifest = pairs(folder, None, tmp_path / "o", rejected_from="teacher", match_length=True)
    cost = manifest["totals"]["match_length"]
    assert abs(cost["bias_after"]) <= 0.5 < abs(cost["bias_before"])
    assert cost["dropped"] == manifest["dropped"]["length_bias"] > 0
    assert manifest["totals"]["lint"]["passed"]


def test_problems_of_other_sets_are_left_out(labelled, mixed, make, other, tmp_path):
    spelt = make(99, 0, problem="What is the VALUE of thing number 3, in the list of things?")
    eval_set = labelled([make(2, 0), spelt], "held_out")
    manifest = preference.run(
        labelled(mixed),
        None,
        tmp_path / "o",
        PreferenceSection(rejected_from="teacher"),
        seed=0,
        exclude=[eval_set],
    ).manifest
    assert manifest["dropped"]["already_used"] == 2
    assert not {"p-2", "p-3"} & set(read_parts(tmp_path / "o")["problem_id"])
    assert "p-2" in set(read_dropped(tmp_path / "o")["problem_id"])


@pytest.mark.parametrize(
    ("verdict", "status", "message"),
    [
        ("correct", "complete", "2 no_incorrect - every complete answer is right"),
        ("incorrect", "complete", "2 no_correct - no answer is right"),
        ("no_answer", "cut_in_reasoning", "2 neither - no response is complete"),
    ],
)
def test_what_is_missing_is_named(labelled, make, tmp_path, verdict, status, message):
    rows = [make(p, s, verdict, status=status) for p in range(2) for s in range(3)]
    with pytest.raises(FactoryError, match=message):
        pairs(labelled(rows), None, tmp_path / "o", rejected_from="teacher")
    assert not list((tmp_path / "o").glob("part-*"))


def test_no_responses_at_all(labelled, verdicts, tmp_path):
    with pytest.raises(FactoryError, match="there are no responses"):
        pairs(labelled([]), verdicts([]), tmp_path / "o")


def test_where_nobody_waits_for_pairs_there_may_be_none_and_each_problem_has_its_reason(
    labelled, make, other, tmp_path
):
    section = PreferenceSection(rejected_from="teacher", match_length=True, max_length_bias=0.01)
    right = [make(p, 0) for p in range(3)]
    result = preference.run(labelled(right), None, tmp_path / "none", section, seed=0, may_be_empty=True)
    assert result.manifest["dropped"] == {"no_incorrect": 3} and result.manifest["rows_in"] == 3
    table = read_parts(tmp_path / "none")
    assert (table.height, table.columns) == (0, PREFERENCE.names)
    long = [other(p, 1, reasoning=f"much longer {p} " * (90 + p)) for p in range(3)]
    rows = labelled([*right, *long], "both")
    with pytest.raises(FactoryError, match="no two of 3 pairs meet"):
        preference.run(rows, None, tmp_path / "some", section, seed=0)
    result = preference.run(rows, None, tmp_path / "some", section, seed=0, may_be_empty=True)
    assert result.manifest["dropped"] == {"length_bias": 3}
    assert read_parts(tmp_path / "some").height == 0
