"""Comparing two parsed answers by their structure, part by part.

It is independent of math-verify and of sympy. True and False are meant; what it does not understand raises `NotMath`.
Collections come back here for their items through the function that they are given.
"""

from __future__ import annotations

import re
from functools import partial

from factory.verification.collections import (
    arguments,
    is_collection,
    matching,
    same_collection,
    same_label,
    stated,
)
from factory.verification.expressions import contains, ratio, rename, same_expression
from factory.verification.intervals import is_region, opened, same_region, spans
from factory.verification.notation import words
from factory.verification.syntax import Node, NotMath

_NOTHING = frozenset(["no solution", "no solutions", "none", "does not exist", "dne", "no real solution", "empty set",
                      "no real solutions", "impossible", "no such", "undefined"])  # fmt: skip
_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def same(gold: Node, answer: Node, question: str | None = None) -> bool:
    """Whether two answers are the same.

    Raises:
        NotMath: they cannot be compared.
    """
    gold, answer = _everything(gold), _everything(answer)
    if gold == answer:
        return True
    if _nothing(gold) or _nothing(answer):
        return _nothing(gold) and _nothing(answer)
    if gold.kind == "words" or answer.kind == "words":
        return _same_words(gold, answer)
    if {gold.kind, answer.kind} == {"seq", "interval"} and "[]" in (gold.name, answer.name):
        return same_collection(
            gold, answer, partial(same, question=question)
        )  # a list in the brackets of a programming language
    if is_region(gold) or is_region(answer):
        return same_regions(gold, answer, question)
    if gold.kind == "rel" or answer.kind == "rel":
        return same_relation(gold, answer, question)
    if "ratio" in (gold.kind, answer.kind):
        return _ratios(gold, answer, question)
    if is_collection(gold) or is_collection(answer) or contains(gold, "pm") or contains(answer, "pm"):
        return same_collection(gold, answer, partial(same, question=question))
    if gold.kind == "based" or answer.kind == "based":
        if {gold.kind, answer.kind} == {"based", "num"} and "10" in (gold.name, answer.name):
            return _based(gold)[0] == _based(answer)[0]
        return _based(gold) == _based(answer) or (
            answer.kind == "num" and _based(gold)[0] == _based(answer)[0]
        )
    if "inf" in (_sign_off(gold).kind, _sign_off(answer).kind):
        return False
    return same_expression(gold, answer, question)


def _named_region(node: Node) -> Node:
    """The region of `D = [1, 2]`, and of intervals in a list; other nodes as they are."""
    if node.kind == "seq" and all(item.kind == "interval" for item in node.args):
        return Node("union", node.args)
    if node.kind == "rel" and node.name == "=" and len(node.args) == 2 and is_region(node.args[1]):
        return node.args[1]
    return node


def _sign_off(node: Node) -> Node:
    return node.args[0] if node.kind == "neg" else node


def _nothing(node: Node) -> bool:
    return node.kind == "empty" or (node.kind == "words" and words(node.name) in _NOTHING)


_ALL = frozenset(
    ["all real numbers", "all reals", "all real", "the real numbers", "any real number", "all real values"]
)


def _everything(node: Node) -> Node:
    """Words for the set of real numbers as that set."""
    return Node("reals") if node.kind == "words" and words(node.name) in _ALL else node


def _same_words(gold: Node, answer: Node) -> bool:
    if gold.kind != answer.kind:
        raise NotMath("words against mathematics")
    return words(gold.name) == words(answer.name)


def _based(node: Node) -> tuple[str, str]:
    inner = node.args[0] if node.kind == "based" else node
    if inner.kind != "num" or inner.value is None:
        raise NotMath("a base under what is no numeral")
    return str(inner.value), node.name.replace("(", "").replace(")", "") if node.kind == "based" else ""


def _ratios(gold: Node, answer: Node, question: str | None) -> bool:
    g, a = (node.args if node.kind == "ratio" else (node,) for node in (gold, answer))
    if len(g) == len(a):
        if all(same(x, y, question) for x, y in zip(g, a, strict=True)):
            return True
        if any(arg.kind == "num" and arg.value == 0 for arg in (*g, *a)):
            return False
        return all(
            same_expression(Node("div", (x, g[0])), Node("div", (y, a[0])), question)
            for x, y in zip(g[1:], a[1:], strict=True)
        )
    if {len(g), len(a)} != {1, 2}:
        return False
    pair, single = (g, a[0]) if len(g) == 2 else (a, g[0])
    return same_expression(Node("div", pair), single, question)


def same_relation(gold: Node, answer: Node, question: str | None) -> bool:
    """Compare where at least one side is an equation or a labelled value."""
    if gold.kind == "rel" and answer.kind == "rel":
        return _both_relations(gold, answer, question)
    if gold.kind == "rel":
        value = stated(gold, strict=True)
        if value is None:
            raise NotMath("an equation against an expression")
        return same(value, answer, question)
    value = stated(answer, strict=False)
    if value is None:
        raise NotMath("an equation against an expression")
    return same(gold, value, question)


def _both_relations(gold: Node, answer: Node, question: str | None) -> bool:
    g_value, a_value = stated(gold, strict=True), stated(answer, strict=True)
    if g_value is not None and a_value is not None and same_label(gold, answer):
        return same(g_value, rename(a_value, arguments(gold, answer)), question)
    operators = set(gold.name.split()) | set(answer.name.split())
    if operators <= {"=", "~"} and len(gold.args) == len(answer.args) == 2:
        found = ratio(_difference(gold), _difference(answer))
        if found is not None:
            return True
        return g_value is None and a_value is None and _sides(gold, answer, question)
    return _sides(gold, answer, question)


def _difference(node: Node) -> Node:
    return Node("add", (node.args[0], Node("neg", (node.args[1],))))


def _sides(gold: Node, answer: Node, question: str | None) -> bool:
    """Chains of relations side by side, turned so that signs of order point the same way."""
    g_ops, g_sides = _upward(gold)
    a_ops, a_sides = _upward(answer)
    if g_ops != a_ops or len(g_sides) != len(a_sides):
        return False
    if all(same(g, a, question) for g, a in zip(g_sides, a_sides, strict=True)):
        return True
    symmetric = g_ops == ["="]
    return symmetric and all(same(g, a, question) for g, a in zip(g_sides, a_sides[::-1], strict=True))


def _upward(node: Node) -> tuple[list[str], tuple[Node, ...]]:
    operators = node.name.split()
    if operators and all(op in (">", ">=") for op in operators):
        return [_FLIP[op] for op in reversed(operators)], node.args[::-1]
    return operators, node.args


_MONOTONE = re.compile(
    r"\bmonoton|\b(?:in|de)creasing\s+intervals?\b|\bintervals?\b[^.?]{0,60}\b(?:in|de)creas|单调|[增减]区间",
    re.I,
)
"""Questions whose intervals may be given with or without their ends."""


def same_regions(gold: Node, answer: Node, question: str | None) -> bool:
    """Compare where at least one side is a region of the real line."""
    if is_region(gold):
        answer = _named_region(answer)
    g, a = spans(_region_form(gold)), spans(_region_form(answer))
    if g is not None and a is not None:
        if gold.kind == answer.kind == "rel" and contains(gold, "apply") != contains(answer, "apply"):
            return False
        if question and _MONOTONE.search(question):
            g, a = opened(g), opened(a)  # a function that rises on (a, b) and is continuous rises on [a, b]
        return same_region(g, a, question)
    if gold.kind == answer.kind == "rel":
        if _sides(gold, answer, question):
            return True
        return _same_inequality(gold, answer)
    if (
        gold.kind == answer.kind
        and len(gold.args) == len(answer.args)
        and gold.kind in ("union", "intersection")
    ):
        return matching(list(gold.args), list(answer.args), partial(same, question=question))
    if g is None and a is None:
        raise NotMath("regions that are not understood")
    raise NotMath("a region against what is none")


def _region_form(node: Node) -> Node:
    """`x = 1` or a bare number beside a region is a point."""
    if node.kind == "rel" and set(node.name.split()) == {"="}:
        return node
    return Node("set", (node,)) if node.kind == "num" else node


def _same_inequality(gold: Node, answer: Node) -> bool:
    (g_ops, g_sides), (a_ops, a_sides) = _upward(gold), _upward(answer)
    if g_ops != a_ops or len(g_ops) != 1 or len(g_sides) != 2 or len(a_sides) != 2:
        return False
    g_op, (g_low, g_high), (a_low, a_high) = g_ops[0], g_sides, a_sides
    factor = ratio(_difference(Node("rel", (g_low, g_high))), _difference(Node("rel", (a_low, a_high))))
    return factor is not None and (g_op == "!=" or factor > 0)
