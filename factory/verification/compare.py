"""The second opinion: comparing two parsed answers by their structure, leaf by leaf.

It is independent of math-verify and of sympy. True and False are meant; what it does not understand raises `NotMath`.
Relations and groups have modules of their own, which come back here for their parts.
"""

from __future__ import annotations

from factory.verification import groups, relations
from factory.verification.leaf import contains, same_leaf
from factory.verification.notation import words
from factory.verification.regions import is_region
from factory.verification.syntax import Node, NotMath

_NOTHING = frozenset(["no solution", "no solutions", "none", "does not exist", "dne", "no real solution", "empty set",
                      "no real solutions", "impossible", "no such", "undefined"])  # fmt: skip


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
        return groups.same_group(gold, answer, question)  # a list in the brackets of a programming language
    if is_region(gold) or is_region(answer):
        return relations.same_regions(gold, answer, question)
    if gold.kind == "rel" or answer.kind == "rel":
        return relations.same_relation(gold, answer, question)
    if "ratio" in (gold.kind, answer.kind):
        return _ratios(gold, answer, question)
    if groups.is_group(gold) or groups.is_group(answer) or contains(gold, "pm") or contains(answer, "pm"):
        return groups.same_group(gold, answer, question)
    if gold.kind == "based" or answer.kind == "based":
        return _based(gold) == _based(answer) or (
            answer.kind == "num" and _based(gold)[0] == _based(answer)[0]
        )
    if "inf" in (_sign_off(gold).kind, _sign_off(answer).kind):
        return False
    return same_leaf(gold, answer, question)


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
            same_leaf(Node("div", (x, g[0])), Node("div", (y, a[0])), question)
            for x, y in zip(g[1:], a[1:], strict=True)
        )
    if {len(g), len(a)} != {1, 2}:
        return False
    pair, single = (g, a[0]) if len(g) == 2 else (a, g[0])
    return same_leaf(Node("div", pair), single, question)
