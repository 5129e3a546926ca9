import json
import random
import string
from collections import Counter
from importlib.util import find_spec

import pytest

from factory.errors import UsageError
from factory.sampling.procedural import Habits, write_trace
from factory.sources.families import EVERY_FAMILY, FAMILIES, Options, Scratch
from factory.sources.families.calculations import CALCULATIONS, atoms, molar_mass
from factory.sources.families.facts import facts
from factory.sources.families.programs import programs
from factory.sources.problems import read_problems
from factory.sources.procedural import draw_problems
from factory.verification import CheckRequest, check
from schemas import Verdict

OTHERS = [family for name, family in EVERY_FAMILY.items() if name not in FAMILIES]
CLEAN = {"loop_rate": 0, "cut_rate": 0}


def test_mathematics_alone_is_what_all_means():
    assert {row["domain"] for row in draw_problems("procedural:all?count=200")} <= {
        family.domain for family in FAMILIES.values()
    }
    assert {family.name for family in OTHERS} == {
        "programs", "chemistry", "physics", "biology", "astronomy", "puzzles",
    }  # fmt: skip


def test_there_are_sixty_functions_with_tests_and_mistakes_and_no_two_are_alike():
    rows = list(programs().values())
    assert len(rows) >= 60
    assert len({row["problem"] for row in rows}) == len({row["solution"] for row in rows}) == len(rows)
    for row in rows:
        assert len(row["tests"]) >= 5 and len({call for call, _ in row["tests"]}) == len(row["tests"])
        assert len({wrong["program"] for wrong in row["wrong"]} - {row["solution"]}) == 3
        said = [row["says"], *(wrong["says"] for wrong in row["wrong"])]
        assert len(set(said)) == len(said)


def passes(program, test):
    space = {}
    exec(program, space)
    try:
        got, wanted = eval(test[0], space), eval(test[1])
    except Exception:
        return False
    return got == wanted and type(got) is type(wanted)


@pytest.mark.parametrize("name", list(programs()))
def test_the_solution_passes_all_tests_and_every_mistake_fails_the_one_that_it_names(name):
    row = programs()[name]
    assert all(passes(row["solution"], test) for test in row["tests"])
    for wrong in row["wrong"]:
        results = [passes(wrong["program"], test) for test in row["tests"]]
        assert results.index(False) == wrong["fails"], wrong["says"]


def test_a_count_beyond_the_functions_that_there_are_is_refused():
    assert len(draw_problems("procedural:programs?count=66&repeats=0")) == 66
    with pytest.raises(UsageError, match="too few different problems"):
        draw_problems("procedural:programs?count=70&repeats=0")


@pytest.mark.parametrize("family", OTHERS, ids=lambda family: family.name)
def test_the_worked_solution_reaches_the_answer_and_a_slip_another(family):
    for level in family.levels:
        for seed in range(40):
            rng = random.Random(f"{family.name}{level}{seed}")
            params = family.draw(rng, level, Options())
            assert json.loads(json.dumps(params)) == params
            pad = Scratch(rng, wrong_turns=0.5, honest=True)
            assert family.solve(params, pad) == family.answer(params) and not pad.caught and pad.steps == 1
            slipped = Scratch(rng, slip_at=0, honest=True)
            assert family.solve(params, slipped) != family.answer(params) and slipped.caught
            for terse in (False, True):
                for slip in (0, 1):
                    trace = write_trace(family, params, rng, Habits(slip_rate=slip, **CLEAN), terse=terse)
                    assert trace.slipped == bool(slip) and trace.content and "ANSWER" not in trace.content


@pytest.mark.parametrize("family", [f for f in OTHERS if f.name != "programs"], ids=lambda f: f.name)
def test_the_verifier_tells_right_choices_from_wrong_ones(family):
    for row in draw_problems(f"procedural:{family.name}?count=60&repeats=0&seed=9"):
        params = json.loads(row["metadata"])["params"]
        for slip, verdict in ((0, Verdict.CORRECT), (1, Verdict.INCORRECT)):
            trace = write_trace(
                family, params, random.Random(row["problem"]), Habits(slip_rate=slip, **CLEAN)
            )
            request = CheckRequest(
                response=trace.content,
                gold=row["answer"],
                problem=row["problem"],
                answer_kind=row["answer_kind"],
                choices=tuple(row["choices"]),
                metadata=row["metadata"],
            )
            assert check(request).verdict == verdict, (trace.content, row)


def test_every_question_has_three_to_five_different_options_and_letters_are_even():
    letters = Counter()
    for row in draw_problems(
        "procedural:chemistry+physics+biology+astronomy+puzzles?count=600&seed=3&repeats=0"
    ):
        assert row["answer_kind"] == "choice" and 3 <= len(row["choices"]) <= 5
        assert len(set(row["choices"])) == len(row["choices"]) and row["answer"] in string.ascii_uppercase[:5]
        assert "{" not in row["problem"] and not any("{" in option for option in row["choices"])
        letters[row["answer"]] += 1
    assert max(letters[letter] for letter in "ABC") < 240


def test_no_other_row_of_a_table_answers_a_question_too():
    tables, questions = facts()
    for question in questions:
        rows = tables[question["table"]]
        answers = {}
        for row in rows:
            answers.setdefault(row[question["given"]], set()).add(row[question["asked"]])
        assert all(len(found) == 1 for found in answers.values()), question
        assert len({row[question["asked"]] for row in rows}) >= 5, "enough for five options"


def test_every_domain_is_asked_at_every_level():
    asked = {(q["domain"], q["level"]) for q in facts()[1]} | {(c.domain, c.level) for c in CALCULATIONS}
    for family in OTHERS[1:]:
        assert {(family.name, level) for level in family.levels} <= asked


@pytest.mark.parametrize(
    ("formula", "counts", "mass"),
    [
        ("H2O", {"H": 2, "O": 1}, 18.02),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}, 74.09),
        ("Al2(SO4)3", {"Al": 2, "S": 3, "O": 12}, 342.13),
        ("Ca3(PO4)2", {"Ca": 3, "P": 2, "O": 8}, 310.17),
        ("NaCl", {"Na": 1, "Cl": 1}, 58.44),
    ],
)
def test_molar_masses_are_those_of_the_tables(formula, counts, mass):
    assert atoms(formula) == counts
    assert molar_mass(formula) == pytest.approx(mass, abs=0.02)


@pytest.mark.parametrize("made", CALCULATIONS, ids=lambda c: c.ask[:40])
def test_a_calculation_has_at_least_two_mistakes_that_differ_from_the_right_result(made):
    from factory.sources.families.choices import _calculate

    for seed in range(30):
        params = _calculate(random.Random(seed), made, 5)
        assert len(params["options"]) >= 3, params
        assert len(set(params["options"])) == len(params["options"])


GYM = "reasoning_gym:leg_counting+self_reference?count=12&seed=4"


@pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="needs reasoning-gym")
def test_gym_entries_become_choices_of_which_the_scorer_takes_one():
    import reasoning_gym

    rows = read_problems(f"{GYM}&choices=4").rows
    plain = read_problems(GYM).rows
    assert rows["problem"].to_list() == plain["problem"].to_list()
    assert set(rows["answer_kind"]) == {"choice"} and set(rows["domain"]) == {"arithmetic", "logic"}
    for row, gold in zip(rows.iter_rows(named=True), plain["answer"], strict=True):
        facts = json.loads(row["metadata"])
        score = reasoning_gym.get_score_answer_fn(facts["task"])
        right = [option for option in row["choices"] if score(option, facts["entry"]) >= 1]
        assert right == [gold] == [row["choices"]["ABCD".index(row["answer"])]]


def test_a_source_that_may_be_missing_is_empty_where_the_library_is_not_installed(monkeypatch):
    from factory.sources import gym

    monkeypatch.setattr(gym, "find_spec", lambda name: None)
    assert read_problems([f"{GYM}&missing=skip", "procedural:physics?count=3"]).rows.height == 3
    assert not gym.is_skipped(GYM)


def test_a_question_of_two_sources_is_kept_once_and_counted():
    twice = ["procedural:chemistry?count=60&seed=1", "procedural:chemistry?count=60&seed=2&style=terse"]
    read = read_problems(twice)
    assert read.dropped["reason"].unique().to_list() == ["duplicate_id"]
    assert read.rows.height + read.dropped.height == read.rows_in == 120
    assert all(json.loads(row)["choices"] for row in read.dropped["row"])
