"""Programs against their tests, in every form in which people have them: right ones pass, wrong ones do not."""

import json

import polars as pl
import pytest

from factory.config.verify import VerifySection
from factory.verification import CheckRequest, check, verify_responses
from factory.verification.check import infer_kind
from factory.verification.responses import as_responses
from factory.verification.sandbox import available
from schemas.verdict import Verdict

pytestmark = pytest.mark.skipif(not available(), reason="programs cannot be contained on this system")
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a + b if a < 5 else 0\n"
"""Passes the first test of every form and fails a later one."""
CALLS = {"inputs": [[1, 2], [7, 4]], "outputs": [3, 11], "fn_name": "add"}
UNITTEST = """
import unittest
from solution import add

class TestAdd(unittest.TestCase):
    def setUp(self):
        self.two = 2
    def test_small(self):
        self.assertEqual(add(1, self.two), 3)
    def test_large(self):
        self.assertEqual(add(7, 4), 11)

if __name__ == "__main__":
    unittest.main()
"""
PYTEST = """
import pytest
from my_module import add

@pytest.fixture
def four():
    return 4

@pytest.mark.parametrize("a, b, total", [(1, 2, 3), (7, 4, 11)])
def test_rows(a, b, total):
    assert add(a, b) == total

def test_with_fixture(four):
    assert add(7, four) == pytest.approx(11.0)

def test_raises():
    with pytest.raises(TypeError):
        add(1, None)
"""
FORMS = {
    "tests with inputs": {"tests": CALLS},
    "apps": {"input_output": json.dumps({"inputs": [[1, 2], [7, 4]], "outputs": [[3], [11]], "fn_name": "add"})},
    "a list of cases": {"tests": [{"input": [1, 2], "output": 3}, {"input": [7, 4], "output": 11}], "fn_name": "add"},
    "livecodebench": {
        "public_test_cases": json.dumps(
            [{"input": "1\n2", "output": "3", "testtype": "functional"},
             {"input": "7\n4", "output": "11", "testtype": "functional"}]
        ),
        "metadata": json.dumps({"func_name": "add"}),
    },
    "mbpp": {"test_list": ["assert add(1, 2) == 3", "assert add(seven, 4) == 11"], "test_setup_code": "seven = 7"},
    "assert text": {"test": "assert add(1, 2) == 3\nassert add(7, 4) == 11\n"},
    "humaneval": {
        "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate(1, 2) == 3\n"
                "    for a in range(9):\n        assert candidate(a, 4) == a + 4\n",
        "entry_point": "add",
        "prompt": 'from typing import List\n\ndef add(a: int, b: int) -> int:\n    """Add."""\n',
    },
    "unittest": {"test": UNITTEST},
    "pytest": {"tests": PYTEST},
}  # fmt: skip


def verdict(answer, facts, problem=None):
    return check(CheckRequest(answer, None, "code", None, json.dumps(facts), problem))


def fenced(program):
    return f"Here it is.\n\n```python\n{program}\n```\n"


@pytest.mark.parametrize("form", FORMS)
def test_a_right_program_passes_and_a_wrong_one_fails_a_later_test(form):
    right, wrong = (verdict(fenced(program), FORMS[form]) for program in (RIGHT, WRONG))
    assert right.verdict is Verdict.CORRECT, right.reason
    assert wrong.verdict is Verdict.INCORRECT, wrong.reason


@pytest.mark.parametrize("form", FORMS)
def test_class_solution_and_missing_function(form):
    method = "class Solution:\n    def add(self, a: int, b: Optional[int]) -> int:\n        return a + b\n"
    assert verdict(fenced(method), FORMS[form]).verdict is Verdict.CORRECT
    assert verdict(fenced("def plus(a, b):\n    return a + b"), FORMS[form]).verdict is Verdict.INCORRECT
    assert verdict("I do not know.", FORMS[form]).verdict is Verdict.NO_ANSWER


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_recognised_as_code(form):
    assert infer_kind(None, metadata=json.dumps(FORMS[form])) == "code"


@pytest.mark.parametrize("value", ["AIME 2024", "split", ["a", "b"], {"a": 1}, 7, True, "test the function"])
def test_a_field_that_is_merely_named_test_is_no_code(value):
    assert infer_kind("12", metadata=json.dumps({"test": value})) == "math"


STDIN = {"tests": {"inputs": ["1 2\n", "7 4\n"], "outputs": ["3\n", "11"]}}


def test_standard_input_and_output():
    right = "a, b = map(int, input().split())\nprint(a + b)"
    assert verdict(fenced(right), STDIN).correct
    assert verdict(
        fenced(f"import sys\n{right}\nprint('debug', file=sys.stderr)\nsys.exit(1)"), STDIN
    ).correct
    assert verdict(fenced("print(3)"), STDIN).verdict is Verdict.INCORRECT
    assert verdict(fenced(right + "\nprint('more')"), STDIN).verdict is Verdict.INCORRECT
    assert verdict(fenced(right + "\nraise ValueError"), STDIN).verdict is Verdict.INCORRECT


@pytest.mark.parametrize(
    ("printed", "wanted", "same"),
    [
        ("0.30000000000000004", "0.3", True),
        ("0.31", "0.3", False),
        ("3", "3.0", True),
        ("3.0", "3", False),
        ("a  b ", "a b\n\n", True),
        ("a\nb", "a b", False),
        ("1.0 x", "1.0 y", False),
    ],
)
def test_printed_numbers_have_a_tolerance(printed, wanted, same):
    facts = {"tests": [{"input": "", "output": wanted}]}
    assert verdict(fenced(f"print({printed!r})"), facts).correct is same


@pytest.mark.parametrize(
    ("value", "wanted", "same"),
    [
        ("(1, 2)", [1, 2], True), ("[1, 2]", [1, 2], True), ("{1, 2}", [2, 1], True), ("[2, 1]", [1, 2], False),
        ("0.1 + 0.2", 0.3, True), ("0.31", 0.3, False), ("{1: 2}", {"1": 2}, True), ("None", None, True),
        ("1", True, False), ("'1'", 1, False), ("[[1], (2,)]", [[1], [2]], True), ("10**30", 10**30, True),
        ("float('nan')", 1.0, False), ("iter([1])", [1], False),
    ],
)  # fmt: skip
def test_results_of_calls_are_compared_as_json_data(value, wanted, same):
    facts = {"tests": {"inputs": [[]], "outputs": [wanted]}, "fn_name": "f"}
    assert verdict(fenced(f"def f():\n    return {value}"), facts).correct is same


@pytest.mark.parametrize("tail", [
    "\nExample:\n```python\nprint(add(2, 3))\n```\n",
    "\nOutput:\n```\n5\n```\nand in C:\n```c\nint add(int a, int b) { return a + b; }\n```\n",
    "\n```python\n>>> add(1, 2)\n3\n```\n",
])  # fmt: skip
@pytest.mark.parametrize("lead", ["", "```python\ndef twice(x):\n    return 2 * x\n```\nNow the function.\n"])
def test_the_program_is_the_block_that_defines_the_name(lead, tail):
    assert verdict(lead + fenced(RIGHT) + tail, FORMS["mbpp"]).correct
    assert not verdict(lead + fenced(WRONG) + tail, FORMS["mbpp"]).correct


def test_a_program_in_two_blocks_or_without_a_fence():
    helper = "```python\ndef plus(a, b):\n    return a + b\n```\n"
    assert verdict(helper + fenced("def add(a, b):\n    return plus(a, b)"), FORMS["mbpp"]).correct
    assert verdict(f"The program is:\n\n{RIGHT}\nThat is all.", FORMS["mbpp"]).correct
    assert verdict(RIGHT, FORMS["mbpp"]).correct


def test_an_example_at_the_end_of_the_block_may_fail():
    assert verdict(fenced(RIGHT + "print(add(1))"), FORMS["mbpp"]).correct
    assert verdict(fenced(RIGHT + "if __name__ == '__main__':\n    exit(3)"), FORMS["mbpp"]).correct


def test_a_package_that_is_not_there_makes_no_wrong_program():
    assert verdict(fenced("import numpy as np\n" + RIGHT), FORMS["mbpp"]).verdict is Verdict.UNVERIFIABLE
    assert verdict(fenced("import numpy as np\nprint(3)"), STDIN).verdict is Verdict.UNVERIFIABLE
    inside = "def add(a, b):\n    import pandas\n    return 3"
    assert verdict(fenced(inside), FORMS["unittest"]).verdict is Verdict.UNVERIFIABLE
    assert verdict(fenced("import nosuchthing\n" + RIGHT), FORMS["mbpp"]).verdict is Verdict.INCORRECT


def test_tests_that_cannot_run_here_say_nothing_of_the_program():
    for text in (
        "import numpy as np\nassert np.allclose(add(1, 2), 3)",
        "def check(candidate):\n    assert candidate(1, 2) == undefined_helper(3)",
        "def check(candidate):\n    pass  # assert",
        "from unittest.mock import patch\nassert add(1, 2) == 3",
        "assert add(1, 2) ==",
    ):
        facts = {"test": text, "entry_point": "add"}
        assert verdict(fenced(RIGHT), facts).verdict is Verdict.UNVERIFIABLE, text


def test_tests_may_use_functions_objects_and_prints_of_the_program():
    program = (
        "class Stack:\n    def __init__(self, items=()):\n        self.items = list(items)\n"
        "    def push(self, x):\n        self.items.append(x)\n        return self\n"
        "    def __len__(self):\n        return len(self.items)\n    def __iter__(self):\n        return iter(self.items)\n"
        "class Empty(Exception):\n    pass\n"
        "def apply(f, xs):\n    return [f(x) for x in xs]\n"
        "def fill(xs):\n    xs.append(1)\n"
        "def fail():\n    raise Empty('none')\n"
        "def hello():\n    print('hello')\n"
        "def numbers():\n    yield 1\n    yield 2\n"
    )
    text = (
        "import io, contextlib\n"
        "s = Stack([1])\ns.push(2)\nassert len(s) == 2 and list(s) == [1, 2] and s.items[0] == 1\n"
        "assert isinstance(s, Stack)\n"
        "assert apply(lambda x: x * x, [1, 2, 3]) == [1, 4, 9]\n"
        "xs = [0]\nfill(xs)\nassert xs == [0, 1]\n"
        "try:\n    fail()\n    assert False\nexcept Empty as error:\n    assert str(error) == 'none'\n"
        "out = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    hello()\nassert out.getvalue() == 'hello\\n'\n"
        "assert list(numbers()) == [1, 2]\n"
    )
    result = verdict(fenced(program), {"tests": text})
    assert result.correct, result.reason


def test_columns_of_their_own_are_read(tmp_path):
    rows = pl.DataFrame(
        {
            "problem": ["Add two numbers."] * 2 + ["What is 3 + 4?"],
            "response": [fenced(RIGHT), fenced(WRONG), r"\boxed{7}"],
            "test_list": [["assert add(1, 2) == 3", "assert add(7, 4) == 11"]] * 2 + [None],
            "test": [None, None, "AIME 2024"],
            "answer": [None, None, "7"],
        }
    )
    for table in (rows, rows.head(2).drop("answer", "test")):
        checked = verify_responses(as_responses(table), VerifySection(workers=1))
        wanted = ["correct", "incorrect", "correct"][: table.height]
        assert checked.get_column("verdict").to_list() == wanted, checked.get_column(
            "verdict_reason"
        ).to_list()
