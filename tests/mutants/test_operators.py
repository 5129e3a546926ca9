"""Mutants are valid, differ from their source, and leave alone what says nothing about behaviour."""

import ast

from tests.mutants import run
from tests.mutants.operators import mutated, sites

SOURCE = '''"""Docs with 1 + 1."""
from x import y

__all__ = ["f", "g"]


def f(a: int = 3, b: "list[1 + 2]" = None) -> int:
    """Return 1."""
    if not a < b and min(a, 2) == 1:
        raise ValueError(f"{a + 1} is 7")
    for each in [n for n in b if n > 0]:
        y(each, a, key=True)
    return a - 1
'''


def test_every_mutant_is_a_program_of_its_own():
    made = [mutated(SOURCE, number) for number in range(len(sites(ast.parse(SOURCE))))]
    plain = ast.unparse(ast.parse(SOURCE)) + "\n"
    assert len(set(made)) == len(made) and plain not in made
    for source in made:
        compile(source, "mutant", "exec")


def test_messages_annotations_and_docs_are_left_alone():
    found = [(site.first, site.what) for site in sites(ast.parse(SOURCE))]
    assert {line for line, _ in found} == {7, 9, 11, 12, 13}
    told = dict.fromkeys(what for _, what in found)
    for what in ("Lt becomes GtE", "Lt becomes LtE", "And becomes Or", "not removed", "min becomes max",
                 "argument key dropped", "first two arguments swapped", "filter of a comprehension dropped",
                 "loop ends after its first pass", "statement removed", "returns None", "Sub becomes Add",
                 "condition negated", "3 becomes 4", "True becomes False"):  # fmt: skip
        assert what in told


def test_the_draw_is_even_over_modules_and_the_same_for_a_seed():
    cores = run.modules("evaluation", [])
    drawn = run.draw(cores, 3 * len(cores), seed=5)
    assert drawn == run.draw(cores, 3 * len(cores), seed=5) != run.draw(cores, 3 * len(cores), seed=6)
    assert {name: sum(own == name for own, _ in drawn) for name in cores} == dict.fromkeys(cores, 3)


def test_every_room_has_cores_and_tests():
    for room in run.ROOMS:
        assert run.modules(room, []) and run.test_files(room), room


def test_a_mutant_is_judged_by_the_tests_that_run_its_line():
    tests = {
        "slow": {"seconds": 2.0, "lines": {"m.py": [1, 5]}},
        "fast": {"seconds": 1.0, "lines": {"m.py": [5, 6]}},
        "else": {"seconds": 0.1, "lines": {"n.py": [5]}},
        "near": {"seconds": 0.1, "lines": {"m.py": [1]}},
    }
    assert run.covering(tests, "m.py", 5, 5) == ["fast", "slow"]
    assert run.covering(tests, "m.py", 9, 9) == ["near", "fast", "slow"]


def test_the_score_counts_survivors_but_no_equivalent_ones(tmp_path, monkeypatch):
    known = tmp_path / "equivalent.txt"
    known.write_text("m.py | x = 1 | 1 becomes 2\n")
    monkeypatch.setattr(run, "EQUIVALENT", known)
    same = {"module": "m.py", "line": 1, "tests": 1}
    found = [
        same | {"text": "x = 1", "what": "1 becomes 2", "state": "survived"},
        same | {"text": "y = 1", "what": "1 becomes 2", "state": "survived"},
        same | {"text": "z = 1", "what": "1 becomes 2", "state": "timeout"},
    ]
    said = run.report(found).splitlines()
    assert said[1].split() == ["m.py", "2", "1", "50%"]
    assert said[-1] == "m.py:1 | y = 1 | 1 becomes 2 (1 tests)" and said[-2].startswith("1 equivalent")
