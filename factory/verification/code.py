"""Code answers: unit tests in a sandbox.

Metadata holds the tests, in one of the common forms: `{"inputs": [...], "outputs": [...]}` (standard input against
standard output, or arguments against the result of `fn_name`), a list of `{"input", "output"}`, a list of assert
statements, or one text of test code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from factory.verification.kinds import code_tests
from factory.verification.result import CheckResult, Method
from factory.verification.sandbox import available, run_python
from schemas.verdict import Verdict

MAX_TESTS = 50
SECONDS = 3.0
"""Limit of one test in processor time; the check as a whole is bounded by the verifier's wall-clock backstop."""
_BLOCK = re.compile(r"```(?:python|py|python3)?[ \t]*\n(.*?)(?:```|\Z)", re.S | re.I)


def check_code(answer: str, facts: dict[str, Any]) -> CheckResult:
    """Run the last code block of an answer against the problem's unit tests; all of them must pass."""
    program = extract_program(answer)
    if program is None:
        return CheckResult(Verdict.NO_ANSWER, Method.CODE, reason="the answer holds no program")
    tests = list(_tests(code_tests(facts), facts.get("fn_name") or facts.get("entry_point")))
    if not tests:
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.CODE, program[:4_000], reason="no unit tests in the metadata"
        )
    if not available():
        return CheckResult(
            Verdict.UNVERIFIABLE,
            Method.CODE,
            program[:4_000],
            reason="programs cannot be contained on this system",
        )
    for number, (suffix, stdin, expected) in enumerate(tests[:MAX_TESTS], 1):
        run = run_python(f"{program}\n{suffix}", stdin, seconds=SECONDS)
        if not run.ok or (expected is not None and not _same_output(run.output, expected)):
            reason = run.reason if not run.ok else "another output"
            return CheckResult(
                Verdict.INCORRECT,
                Method.CODE,
                program[:4_000],
                reason=f"test {number} of {len(tests)}: {reason}",
            )
    return CheckResult(Verdict.CORRECT, Method.CODE, program[:4_000], reason=f"{len(tests)} tests passed")


def extract_program(answer: str) -> str | None:
    """The last fenced code block, or the whole answer when it reads like a program."""
    blocks = _BLOCK.findall(answer)
    if blocks:
        return str(blocks[-1])
    return answer if re.search(r"^(?:def|import|from|print|for|while|class)\b", answer, re.M) else None


def _tests(tests: Any, function: str | None) -> Iterator[tuple[str, str, str | None]]:
    """Tests as (code to append, standard input, expected output)."""
    if isinstance(tests, str):
        try:
            tests = json.loads(tests)
        except json.JSONDecodeError:
            yield tests, "", None
            return
    if isinstance(tests, dict) and "inputs" in tests and "outputs" in tests:
        tests = [{"input": i, "output": o} for i, o in zip(tests["inputs"], tests["outputs"], strict=False)]
    for test in tests if isinstance(tests, list) else []:
        if isinstance(test, str):
            yield test, "", None
        elif isinstance(test, dict) and "input" in test and "output" in test:
            yield _case(test["input"], test["output"], function)


def _case(given: Any, expected: Any, function: str | None) -> tuple[str, str, str | None]:
    if function is None or not str(function).isidentifier():
        return (
            "",
            given if isinstance(given, str) else json.dumps(given),
            expected if isinstance(expected, str) else json.dumps(expected),
        )
    arguments = given if isinstance(given, list) else [given]
    line = f"assert {function}(*json.loads({json.dumps(json.dumps(arguments))})) == json.loads({json.dumps(json.dumps(expected))})"
    return f"import json\n{line}", "", None


def _same_output(output: str, expected: str) -> bool:
    """Equal line by line, blanks at line ends and empty lines at the end set aside."""
    return [line.split() for line in output.rstrip().splitlines()] == [
        line.split() for line in expected.rstrip().splitlines()
    ]
