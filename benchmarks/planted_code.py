"""Programs whose verdict is known: right ones in the ways people write answers, wrong ones by one change to a right one.

A change counts as wrong only when it gives another result on one of the problem's own tests. The programs here are ours,
so they are run in a plain process to find that out.
"""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

PROGRAMS: dict[str, tuple[str, list[list[Any]]]] = {
    "total_even": ("def total_even(values):\n    total = 0\n    for value in values:\n        if value % 2 == 0:\n            total += value\n    return total", [[[1, 2, 3, 4]], [[]], [[7, 8]], [[-2, 5]]]),
    "clamp": ("def clamp(x, low, high):\n    if x < low:\n        return low\n    if x > high:\n        return high\n    return x", [[5, 1, 3], [0, 1, 3], [2, 1, 3], [3, 1, 3]]),
    "digits": ("def digits(n):\n    return sum(int(c) for c in str(abs(n)))", [[123], [-45], [0], [900]]),
    "is_prime": ("def is_prime(n):\n    if n < 2:\n        return False\n    for d in range(2, int(n ** 0.5) + 1):\n        if n % d == 0:\n            return False\n    return True", [[1], [2], [9], [17], [25]]),
    "reverse_words": ("def reverse_words(text):\n    words = text.split()\n    return ' '.join(words[::-1])", [["a b c"], [""], ["one"], ["x  y"]]),
    "count_vowels": ("def count_vowels(text):\n    count = 0\n    for c in text.lower():\n        if c in 'aeiou':\n            count += 1\n    return count", [["Apple"], ["xyz"], ["AEIOU"]]),
    "second_largest": ("def second_largest(values):\n    distinct = sorted(set(values))\n    if len(distinct) < 2:\n        return None\n    return distinct[-2]", [[[1, 2, 3]], [[5, 5]], [[9, 4, 9, 7]]]),
    "gcd_of": ("def gcd_of(a, b):\n    for d in range(min(a, b), 0, -1):\n        if a % d == 0 and b % d == 0:\n            return d\n    return max(a, b)", [[12, 18], [7, 5], [0, 4], [9, 3]]),
    "running_max": ("def running_max(values):\n    result = []\n    best = None\n    for value in values:\n        if best is None or value > best:\n            best = value\n        result.append(best)\n    return result", [[[1, 3, 2]], [[]], [[5, 4, 6]]]),
    "is_palindrome": ("def is_palindrome(text):\n    kept = [c.lower() for c in text if c.isalnum()]\n    return kept == kept[::-1]", [["Anna"], ["ab"], ["A man, a plan"], [""]]),
    "pairs_with_sum": ("def pairs_with_sum(values, target):\n    count = 0\n    for i in range(len(values)):\n        for j in range(i + 1, len(values)):\n            if values[i] + values[j] == target:\n                count += 1\n    return count", [[[1, 2, 3, 4], 5], [[2, 2, 2], 4], [[], 1]]),
    "transpose": ("def transpose(rows):\n    return [list(column) for column in zip(*rows)]", [[[[1, 2], [3, 4]]], [[[1, 2, 3]]], [[]]]),
    "celsius": ("def celsius(f):\n    return round((f - 32) * 5 / 9, 2)", [[212], [32], [100]]),
    "merge_counts": ("def merge_counts(a, b):\n    result = dict(a)\n    for key, value in b.items():\n        result[key] = result.get(key, 0) + value\n    return result", [[{"x": 1}, {"x": 2, "y": 3}], [{}, {"z": 1}]]),
    "caesar": ("def caesar(text, shift):\n    out = ''\n    for c in text:\n        if c.isalpha():\n            out += chr((ord(c.lower()) - 97 + shift) % 26 + 97)\n        else:\n            out += c\n    return out", [["abc", 1], ["xyz!", 3], ["a b", 26]]),
    "fib": ("def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a", [[0], [1], [7], [12]]),
    "flatten": ("def flatten(rows):\n    return [x for row in rows for x in row]", [[[[1], [2, 3]]], [[]], [[[], [4]]]]),
    "longest": ("def longest(words):\n    best = ''\n    for word in words:\n        if len(word) > len(best):\n            best = word\n    return best", [[["a", "bbb", "cc"]], [[]], [["xx", "yy"]]]),
    "collatz_steps": ("def collatz_steps(n):\n    for steps in range(1000):\n        if n == 1:\n            return steps\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n    return -1", [[1], [6], [7], [27]]),
    "histogram": ("def histogram(text):\n    counts = {}\n    for c in text:\n        counts[c] = counts.get(c, 0) + 1\n    return counts", [["aab"], [""], ["xyx"]]),
    "trimmed_mean": ("def trimmed_mean(values):\n    kept = sorted(values)[1:-1]\n    return sum(kept) / len(kept) if kept else 0.0", [[[1, 2, 9]], [[1, 2]], [[4, 4, 5, 7]]]),
    "rotate": ("def rotate(values, k):\n    if not values:\n        return []\n    k = k % len(values)\n    return values[-k:] + values[:-k] if k else list(values)", [[[1, 2, 3], 1], [[], 2], [[1, 2], 2], [[1, 2, 3, 4], 6]]),
    "triangle_kind": ("def triangle_kind(a, b, c):\n    if a + b <= c or b + c <= a or a + c <= b:\n        return 'none'\n    sides = len({a, b, c})\n    return {1: 'equilateral', 2: 'isosceles', 3: 'scalene'}[sides]", [[3, 3, 3], [3, 4, 5], [1, 2, 3], [2, 2, 3]]),
    "leap": ("def leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)", [[2000], [1900], [2024], [2023]]),
}  # fmt: skip
_RUN = """
import json, sys
sources, name, calls = json.load(sys.stdin)
for source in sources:
    space, out = {}, []
    exec(source, space)
    for call in calls:
        try: out.append(space[name](*json.loads(json.dumps(call))))
        except Exception as error: out.append(["raised", type(error).__name__])
    print(json.dumps(out, default=str))
"""


def results(sources: list[str], name: str, calls: list[list[Any]]) -> list[list[Any]]:
    """What each program gives for every call. None of the programs here can run for long, changed or not."""
    given = json.dumps([sources, name, calls])
    run = subprocess.run(
        [sys.executable, "-I", "-c", _RUN], input=given, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Mod: ast.FloorDiv, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And, ast.Is: ast.IsNot, ast.FloorDiv: ast.Mult,
}  # fmt: skip


class _Change(ast.NodeTransformer):
    """One change at the `at`-th place that can be changed."""

    def __init__(self, at: int) -> None:
        self.left, self.done = at, False

    def visit(self, node: ast.AST) -> ast.AST:
        super().visit(node)
        if type(node) in SWAPS or (isinstance(node, ast.Constant) and type(node.value) is int):
            self.left -= 1
            if self.left == -1:
                self.done = True
                return ast.Constant(node.value + 1) if isinstance(node, ast.Constant) else SWAPS[type(node)]()  # type: ignore[operator]
        return node


def mutants(source: str) -> Iterator[str]:
    """The program with one operator or number changed."""
    for at in range(60):
        change = _Change(at)
        tree = change.visit(ast.parse(source))
        if not change.done:
            return
        yield ast.unparse(ast.fix_missing_locations(tree))


def tests(name: str, calls: list[list[Any]], wanted: list[Any], form: str) -> dict[str, Any]:
    """The problem's tests in one of the forms in which people have them."""
    asserts = [
        f"assert {name}({', '.join(map(repr, call))}) == {want!r}"
        for call, want in zip(calls, wanted, strict=True)
    ]
    if form == "calls":
        return {"input_output": json.dumps({"inputs": calls, "outputs": wanted, "fn_name": name})}
    if form == "check":
        lines = "\n".join("    " + line.replace(f"{name}(", "candidate(", 1) for line in asserts)
        return {"test": f"def check(candidate):\n{lines}\n", "entry_point": name}
    if form == "asserts":
        return {"test_list": asserts}
    if form == "unittest":
        lines = "\n".join(
            f"        self.assertEqual({line[7:].replace(' == ', ', ', 1)})" for line in asserts
        )
        return {"test": f"import unittest\nclass T(unittest.TestCase):\n    def test_all(self):\n{lines}\n"}
    return {"tests": f"def test_{name}():\n" + "\n".join(f"    {line}" for line in asserts)}


FORMS = ("calls", "check", "asserts", "unittest", "pytest")


def answers(source: str, name: str, calls: list[list[Any]]) -> Iterator[str]:
    """An answer around a program, as models write it."""
    example = f"print({name}({', '.join(map(repr, calls[0]))}))"
    yield f"```python\n{source}\n```"
    yield f"Here is the solution:\n\n```python\n{source}\n```\n\nExample:\n\n```python\n{example}\n```\n\nThis prints the result."
    yield f"We go step by step.\n\n```python\n{source}\n\nif __name__ == '__main__':\n    {example}\n```\nIt runs in linear time."
    yield f"```\n{source}\n```\nThe output is:\n```\n42\n```"
    yield source
    body = "\n".join(
        "    " + line for line in source.replace(f"def {name}(", f"def {name}(self, ", 1).split("\n")
    )
    yield f"```python\nfrom typing import List\nclass Solution:\n{body}\n```"
    yield f"First try:\n```python\ndef {name}(*args):\n    pass\n```\nThat is not enough. Final answer:\n```python\n{source}\n```"
    yield f"```python\n# solution\n{source}\n# a quick check\nassert {name} is not None\n{example}\n```"


def planted(seed: int) -> Iterator[dict[str, Any]]:
    """Rows of right and wrong programs with their label."""
    draw = random.Random(f"{seed} code")
    for name, (source, calls) in PROGRAMS.items():
        changed = list(mutants(source))
        wanted, *others = results([source, *changed], name, calls)
        form = draw.choice(FORMS)
        facts = json.dumps(tests(name, calls, wanted, form))
        wrong = [mutant for mutant, gives in zip(changed, others, strict=True) if gives != wanted]
        sides = [(source, 1)] * len(wrong[:8]) + [
            (mutant, 0) for mutant in draw.sample(wrong, min(8, len(wrong)))
        ]
        for program, label in sides:
            text = draw.choice(list(answers(program, name, calls)))
            yield {"problem_id": f"code-{name}", "problem": f"Write `{name}` ({form}).", "answer": None, "content": text, "answer_kind": "code",
                   "metadata": facts, "choices": None, "label": label}  # fmt: skip
