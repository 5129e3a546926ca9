"""Code answers: every form of unit tests, right and wrong; every test is run."""

import json

import pytest

from factory.verification.code import check_code, find_program
from factory.verification.code_tests import same_value
from factory.verification.sandbox import available
from schemas.verdict import Verdict

needs_sandbox = pytest.mark.skipif(not available(), reason="programs can be contained on Linux x86-64 only")
ADD = "```python\ndef add(a, b):\n    return a + b\n```"
READ = "```python\na, b = map(int, input().split())\nprint(a + b)\n```"
CASES = {"inputs": [[1, 2], [3, 4]], "outputs": [3, 7]}
LINES = {"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}
ASSERTS = ["assert add(1, 2) == 3", "assert add(3, 4) == 7"]
FORMS = {
    "arguments, fn_name": (ADD, {"tests": CASES, "fn_name": "add"}),
    "arguments, entry_point": (ADD, {"tests": CASES, "entry_point": "add"}),
    "standard input": (READ, {"tests": LINES}),
    "pairs": (READ, {"tests": [{"input": "1 2", "output": "3"}, {"input": "3 4", "output": "7"}]}),
    "assert statements": (ADD, {"tests": ASSERTS}),
    "one text of test code": (ADD, {"tests": "\n".join(ASSERTS)}),
    "JSON text": (ADD, {"tests": json.dumps(CASES), "fn_name": "add"}),
}


def test_decimals_are_near_by_a_millionth_of_what_was_wanted():
    assert same_value(2.0, 2.0000019) and not same_value(2.0, 2.0000021) and same_value(0.0, 1e-6)
    assert not same_value(1e9, 1e9 + 1000.0005) and same_value(1e9 + 1000.0005, 1e9)
    assert same_value(1, 1.0) and not same_value(True, 1.0) and not same_value(1.0, "1.0")


@needs_sandbox
@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_right_from_wrong(form):
    program, facts = FORMS[form]
    right = check_code(f"Here it is:\n{program}", facts)
    assert right.verdict is Verdict.CORRECT
    assert check_code(program.replace("a + b", "a * b"), facts).verdict is Verdict.INCORRECT


@needs_sandbox
@pytest.mark.parametrize("form", [name for name in FORMS if name != "one text of test code"])
def test_a_program_that_passes_the_first_test_and_fails_the_second_is_wrong(form):
    program, facts = FORMS[form]
    found = check_code(program.replace("a + b", "3"), facts)
    assert found.verdict is Verdict.INCORRECT and found.reason.startswith("test 2 of 2")


@needs_sandbox
def test_values_that_are_no_text_are_compared_as_json():
    facts = {"tests": {"inputs": [[1, 2]], "outputs": [[2, 1]]}}
    program = "```python\nimport json\nprint(json.dumps(json.loads(input())[::-1]))\n```"
    assert check_code(program, facts).verdict is Verdict.CORRECT
    assert check_code(program.replace("[::-1]", ""), facts).verdict is Verdict.INCORRECT


@needs_sandbox
def test_output_is_compared_line_by_line_but_for_blanks():
    facts = {"tests": {"inputs": [""], "outputs": ["1 2\n3"]}}
    assert check_code("```python\nprint('1  2 \\n3\\n')\n```", facts).verdict is Verdict.CORRECT
    assert check_code("```python\nprint('1 2 3')\n```", facts).verdict is Verdict.INCORRECT


def test_no_program_is_no_answer_and_no_tests_decide_nothing():
    assert check_code("I cannot.", {"tests": ASSERTS}).verdict is Verdict.NO_ANSWER
    for facts in ({}, {"tests": []}, {"tests": {"inputs": [], "outputs": []}}, {"tests": [7]}):
        found = check_code(ADD, facts)
        assert (found.verdict, found.reason) == (Verdict.UNVERIFIABLE, "no unit tests in the metadata")


def test_the_last_block_counts_and_a_bare_program_is_taken():
    assert find_program("```python\nx = 1\n```\nbetter:\n```\nx = 2\n```", set()) == "x = 2\n"
    assert find_program("```py\nx = 1", set()) == "x = 1"
    assert find_program("def f():\n    return 1", set()) == "def f():\n    return 1"
    assert find_program("The answer is 4.", set()) is None
