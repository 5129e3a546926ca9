"""Mathematical answers that need a parser: our comparer first, math-verify as the second opinion where it has none.

The comparer (`compare`) understands structure and computes with 80 digits. What it calls equal is correct; what it calls
different is not, even where math-verify says otherwise: math-verify compares at 15 digits and drops half of an equation
now and then, and a false `correct` poisons every later stage. Where one side is outside the comparer's grammar,
math-verify alone is not trusted with a `correct` either, unless both sides are made of the same symbols.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from factory.verification.compare import same
from factory.verification.expressions import symbols
from factory.verification.notation import literal, tidy, untext
from factory.verification.number import read_number, show
from factory.verification.result import CheckResult, Method
from factory.verification.spelling import unlabelled
from factory.verification.structure import parse
from factory.verification.syntax import Node, NotMath
from factory.verification.text import check_text, mixed_amount, same_datetime, same_fact
from factory.verification.values import Reading, exact, mp, value
from schemas.verdict import Verdict

_COMMA = re.compile(r"\d+,\d+")


def check_math(gold: str, answer: str, question: str | None = None) -> CheckResult:
    """Compare two mathematical answers."""
    moment = same_datetime(gold, answer)
    if moment is not None:
        verdict = Verdict.CORRECT if moment else Verdict.INCORRECT
        reason = "the same moment" if moment else "another moment"
        return CheckResult(verdict, Method.TEXT, answer, literal(gold), literal(answer), reason)
    letters = _letters(gold), _letters(answer)
    if all(letters) and letters[0] == letters[1]:
        return CheckResult(
            Verdict.CORRECT, Method.TEXT, answer, literal(gold), literal(answer), "the same letters"
        )
    wants, gots = (readings(text) for text in unlabelled(tidy(gold), tidy(answer)))
    shown = (canonical(wants[0]) if wants else None, canonical(gots[0]) if gots else None)
    why = "outside the grammar"
    for want in wants:
        for got in gots:
            try:
                if same(want, got, question):
                    return CheckResult(
                        Verdict.CORRECT, Method.COMPARER, answer, *shown, "equal in canonical form"
                    )
                why = ""
            except NotMath as error:
                why = why and str(error)
    if same_fact(gold, answer):
        return CheckResult(Verdict.CORRECT, Method.TEXT, answer, gold, answer, "states the same fact")
    if wants and gots and not why:
        return CheckResult(Verdict.INCORRECT, Method.COMPARER, answer, *shown, "the canonical forms differ")
    return _ask_math_verify(gold, answer, shown, why)


def _letters(text: str) -> str | None:
    """The letters of a list of options: `B, D`, `BD`; None for anything else."""
    plain = untext(tidy(text)).strip(" .$(){}\\")
    if not re.fullmatch(r"[A-H](?:\s*(?:,|;|and|&)?\s*[A-H]){1,7}", plain):
        return None
    found = re.findall("[A-H]", plain)
    listed = "," in plain or ";" in plain or found == sorted(found)
    return "".join(sorted(found)) if len(set(found)) == len(found) and listed else None


def canonical_form(answer: str) -> str | None:
    """The form under which equal answers are counted together, or None outside the grammar."""
    number = read_number(tidy(answer))
    if number is not None:
        return show(number)
    found = readings(answer)
    if not found:
        return None
    node = found[0]
    while node.kind == "rel" and node.name == "=" and node.args[0].kind in ("sym", "words", "apply"):
        node = node.args[1]
    return canonical(node)


def readings(text: str) -> list[Node]:
    """Ways to read an answer: `1,234` as a number or as a list, `2,74` and `0,5` (but not `1,3`) also as a decimal."""
    amount = mixed_amount(text)
    found: list[Node] = [] if amount is None else [amount]
    for thousands in (True, False) if "," in text else (True,):
        try:
            node = parse(text, thousands=thousands)
            if node not in found:
                found.append(node)
        except NotMath:
            pass
    plain = literal(text)
    if _COMMA.fullmatch(plain) and not re.fullmatch(r"[1-9]\d{0,2},\d{3}|[1-9]\d*,\d", plain):
        found.append(parse(plain.replace(",", ".")))
    return found


def _ask_math_verify(gold: str, answer: str, shown: tuple[str | None, str | None], why: str) -> CheckResult:
    if literal(gold).casefold() == literal(answer).casefold():
        return CheckResult(Verdict.CORRECT, Method.LITERAL, answer, gold, answer, "equal but for case")
    if _is_text(gold):
        return check_text(gold, answer)
    bounded = "out of bounds" not in why and tame(gold) and tame(answer)
    says = math_verify_says(gold, answer) if bounded else None
    if says and Counter(_symbols_of(gold)) == Counter(_symbols_of(answer)):
        return CheckResult(
            Verdict.CORRECT, Method.MATH_VERIFY, answer, *shown, "equal, made of the same symbols"
        )
    if says:
        reason = f"math-verify says equal, the comparer has no view ({why})"
        return CheckResult(Verdict.UNVERIFIABLE, Method.MATH_VERIFY, answer, *shown, reason)
    if says is None or None in shown:
        return CheckResult(Verdict.UNVERIFIABLE, Method.MATH_VERIFY, answer, *shown, f"not comparable: {why}")
    return CheckResult(
        Verdict.INCORRECT, Method.MATH_VERIFY, answer, *shown, f"math-verify says different ({why})"
    )


def _symbols_of(text: str) -> list[str]:
    return re.findall(r"\\[A-Za-z]+|[^\W_]|[-+=<>/^!]", untext(tidy(text)).replace("{", "").replace("}", ""))


_TOWER = re.compile(r"\^\s*\{?[^{}^]{0,40}\^|\d{7,}\s*!|!\s*!|\^\s*\{?\s*-?\d{5,}|\d{300,}")


def tame(text: str) -> bool:
    """Whether sympy can be trusted with a text: short, flat, no towers of powers or huge factorials."""
    if len(text) > 1_000 or _TOWER.search(text):
        return False
    depth = deepest = 0
    for char in text:
        depth += (char in "({[") - (char in ")}]")
        deepest = max(deepest, depth)
    return deepest <= 25


def _is_text(gold: str) -> bool:
    plain = re.sub(r"\\[A-Za-z]+", " ", untext(tidy(gold)))
    return len(re.findall(r"[^\W\d_]{2,}", plain)) >= 2


MAX_SHOWN = 400
_INFIX = {
    "mul": "*",
    "div": "/",
    "pow": "^",
    "ratio": ":",
    "union": " U ",
    "intersection": " & ",
    "minus": " \\ ",
}


def canonical(node: Node) -> str:
    """Rational constants reduced, irrational ones with 15 digits, everything else in one plain notation."""
    return _show(node)[:MAX_SHOWN]


def _show(node: Node) -> str:
    constant = _constant(node)
    if constant is not None:
        return constant
    parts = [_show(arg) for arg in node.args]
    if node.kind == "rel":
        operators = node.name.split()
        return parts[0] + "".join(f" {op} {part}" for op, part in zip(operators, parts[1:], strict=False))
    if node.kind in ("sym", "words", "call", "apply"):
        return node.name + (f"({', '.join(parts)})" if parts else "")
    if node.kind in ("tuple", "interval"):
        begin, end = (node.name or "()")[0], (node.name or "()")[-1]
        return begin + ", ".join(parts) + end if len(node.name) <= 2 else "(" + ", ".join(parts) + ")"
    if node.kind in _INFIX:
        return _INFIX[node.kind].join(
            f"({p})" if " " in p and node.kind in ("mul", "div", "pow") else p for p in parts
        )
    if node.kind == "add":
        return " + ".join(parts).replace("+ -", "- ")
    shapes = {"neg": "-{}", "pm": "+-({})", "fact": "{}!", "pct": "{}%", "deg": "{} deg", "abs": "|{}|", "inf": "oo",
              "empty": "{{}}", "reals": "R"}  # fmt: skip
    if node.kind in shapes:
        return shapes[node.kind].format(*parts)
    if node.kind in ("set", "matrix"):
        return "{" + ", ".join(parts) + "}" if node.kind == "set" else "[" + "; ".join(parts) + "]"
    if node.kind == "quantity":
        return f"{parts[0]} {node.name}"
    return f"{', '.join(parts)}" if node.kind == "seq" else f"{node.kind}({', '.join(parts)})"


def _constant(node: Node) -> str | None:
    if node.kind not in ("num", "add", "mul", "div", "pow", "root", "neg", "fact", "binom", "call", "abs"):
        return None
    try:
        known = exact(node, Reading())
        if known is not None:
            return str(known)
        if symbols(node):
            return None
        found = value(node, {}, Reading())
        return str(mp.nstr(found.v, 15))
    except NotMath:
        return None


off_the_clock: Callable[[], AbstractContextManager[None]] = nullcontext
"""Surrounds the loading of the library; a worker stops its timer meanwhile."""


def math_verify_says(gold: str, answer: str) -> bool | None:
    """Whether math-verify takes `answer` for `gold`; None when it cannot read one of them.

    Only its LaTeX reader is used: its reader of plain expressions goes through `sympy.parse_expr`, which evaluates
    Python. Sympy's cache and random seed are reset, so that an answer does not depend on what was asked before.
    """
    if "math_verify" not in sys.modules:
        with off_the_clock():
            import math_verify  # noqa: F401
    from math_verify import LatexExtractionConfig, parse, verify
    from sympy.core.cache import clear_cache
    from sympy.core.random import seed

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    clear_cache()
    seed(0)
    config = [LatexExtractionConfig()]
    want = parse(f"${gold}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    got = parse(f"${answer}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    if not want or not got:
        return None
    return bool(verify(want, got, timeout_seconds=None))
