r"""Comparing lists, tuples, sets and matrices, with `\pm` written out and labels taken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from factory.verification import compare, relations
from factory.verification.leaf import contains
from factory.verification.matrices import fold
from factory.verification.regions import same_region, spans
from factory.verification.syntax import Node, NotMath

MAX_ITEMS = 200


def is_group(node: Node) -> bool:
    """Whether a node is a list, tuple, set, matrix or interval, or a term with matrices."""
    if node.kind in ("add", "mul", "neg"):
        return contains(node, "matrix")
    return node.kind in ("seq", "tuple", "set", "matrix", "interval")


def same_group(gold: Node, answer: Node, question: str | None) -> bool:
    """Compare where at least one side is a group, or has several values by `a sign of both`."""
    if contains(gold, "matrix") or contains(answer, "matrix"):
        return _matrices(fold(gold), fold(answer), question)
    if gold.kind == "interval" and answer.kind == "interval":
        return same_region(spans(gold) or [], spans(answer) or [], question)
    return any(
        _same_items(g, a, question)
        for g in _expansions(gold, linked=True)
        for a in _expansions(answer, linked=True)
    ) or (
        any(contains(node, "pm") and is_group(node) for node in (gold, answer))
        and any(
            _same_items(g, a, question)
            for g in _expansions(gold, linked=False)
            for a in _expansions(answer, linked=False)
        )
    )


def _expansions(node: Node, *, linked: bool) -> list[Node]:
    r"""The group with every `\pm` written out; the items of a tuple share their sign when `linked`."""
    if not contains(node, "pm"):
        return [node]
    if node.kind in ("seq", "set"):
        items: list[Node] = []
        for item in node.args:
            expanded = _expansions(item, linked=linked)[0]
            items += expanded.args if expanded.kind == "set" and contains(item, "pm") else [expanded]
        return [replace(node, args=tuple(items), kind="set")]
    if linked:
        return [Node("set", (_with_sign(node, 1), _with_sign(node, -1)))]
    places = min(_count_pm(node), 4)
    return [Node("set", tuple(_with_signs(node, signs) for signs in product((1, -1), repeat=places)))]


def _with_sign(node: Node, sign: int) -> Node:
    args = tuple(_with_sign(arg, sign) for arg in node.args)
    if node.kind != "pm":
        return replace(node, args=args) if args else node
    positive = (sign == 1) == (node.name == r"\pm")
    return args[0] if positive else Node("neg", args)


def _count_pm(node: Node) -> int:
    return (node.kind == "pm") + sum(_count_pm(arg) for arg in node.args)


def _with_signs(node: Node, signs: Sequence[int]) -> Node:
    left = list(signs)

    def walk(part: Node) -> Node:
        sign = left.pop(0) if part.kind == "pm" and left else 1
        args = tuple(walk(arg) for arg in part.args)
        if part.kind != "pm":
            return replace(part, args=args) if args else part
        return args[0] if sign == 1 else Node("neg", args)

    return walk(node)


def _items(node: Node) -> tuple[Node, ...]:
    return node.args if node.kind in ("seq", "set", "tuple", "interval") else (node,)


def _same_items(gold: Node, answer: Node, question: str | None) -> bool:
    g, a = _records(_items(gold)), _records(_items(answer))
    if max(len(g), len(a)) > MAX_ITEMS:
        raise NotMath("too many items")
    g_labels, a_labels = _labels(g), _labels(a)
    if g_labels and a_labels and len(set(g_labels)) == len(g) and set(g_labels) == set(a_labels):
        by_name = dict(zip(a_labels, a, strict=True))
        return all(
            compare.same(_bare(item), _bare(by_name[name]), question)
            for name, item in zip(g_labels, g, strict=True)
        )
    g, a = [_bare(item) for item in g], [_bare(item) for item in a]
    if all(is_group(item) for item in (*g, *a)) and "tuple" not in (gold.kind, answer.kind):
        g, a = _distinct(g), _distinct(a)
    if "set" in (gold.kind, answer.kind) and "tuple" not in (gold.kind, answer.kind):
        return matching(_distinct(g), _distinct(a), question)
    if len(g) != len(a):
        return False
    ordered = all(_try(x, y, question) for x, y in zip(g, a, strict=True))
    if ordered:
        return True
    if "tuple" in (gold.kind, answer.kind) and not all(is_group(item) for item in (*g, *a)):
        return False
    labels = g_labels or a_labels
    if labels and not (g_labels and a_labels) and _tell_apart(labels):
        items = sorted(zip(labels, a if a_labels else g, strict=True), key=lambda pair: pair[0])
        in_order = [item for _, item in items]
        return all(
            _try(x, y, question)
            for x, y in zip(g if a_labels else in_order, in_order if a_labels else a, strict=True)
        )
    return matching(g, a, question)


def _try(gold: Node, answer: Node, question: str | None) -> bool:
    try:
        return compare.same(gold, answer, question)
    except NotMath:
        return False


def _labels(items: Sequence[Node]) -> list[str]:
    """The labels of a list whose items all have one: `x = 1, y = 2`."""
    if not all(item.kind == "rel" and item.name == "=" and len(item.args) == 2 for item in items):
        return []
    labels = [item.args[0] for item in items]
    return (
        [label.name for label in labels]
        if all(label.kind in ("sym", "words", "apply") for label in labels)
        else []
    )


def _tell_apart(labels: list[str]) -> bool:
    """Different single letters name different unknowns: their order matters. Words and indices of one letter do not."""
    return len(set(labels)) == len(labels) and all(len(label) == 1 for label in labels)


def _bare(item: Node) -> Node:
    stated = relations.stated(item, strict=False) if item.kind == "rel" else None
    return stated if stated is not None else item


def _records(items: Sequence[Node]) -> list[Node]:
    """`p=5, q=2; p=7, q=2` is a list of pairs: labels that come round again are grouped."""
    labels = _labels(items)
    period = labels.index(labels[0], 1) if labels and labels[0] in labels[1:] else 0
    if period < 2 or len(items) % period or any(labels[i] != labels[i % period] for i in range(len(labels))):
        return list(items)
    rows = [items[at : at + period] for at in range(0, len(items), period)]
    return [Node("tuple", tuple(_bare(item) for item in row), "()") for row in rows]


def _distinct(items: list[Node]) -> list[Node]:
    found: list[Node] = []
    for item in items:
        if not any(_try(other, item, None) for other in found):
            found.append(item)
    return found


def matching(gold: list[Node], answer: list[Node], question: str | None) -> bool:
    """One-to-one matching in any order."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for item in gold:
        match = next((other for other in left if _try(item, other, question)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _matrices(gold: Node, answer: Node, question: str | None) -> bool:
    g, a = _rows(gold), _rows(answer)
    if [len(row) for row in g] != [len(row) for row in a]:
        flat = [[cell for row in rows for cell in row] for rows in (g, a)]
        vectors = all(min(len(rows), max(map(len, rows))) == 1 for rows in (g, a))
        if not vectors or len(flat[0]) != len(flat[1]) or gold.kind == answer.kind:
            return False
        g, a = [flat[0]], [flat[1]]
    return all(
        compare.same(x, y, question) for p, q in zip(g, a, strict=True) for x, y in zip(p, q, strict=True)
    )


def _rows(node: Node) -> list[list[Node]]:
    if node.kind == "matrix":
        return [list(row.args) for row in node.args]
    return [list(node.args)] if node.kind in ("tuple", "seq") else [[node]]
