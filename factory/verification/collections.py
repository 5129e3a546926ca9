r"""Comparing lists, tuples, sets and matrices, with `\pm` written out and labels taken off.

How two items are compared is given by the caller as a function; `NotMath` from it means "cannot be told".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from factory.verification.expressions import contains, symbols
from factory.verification.syntax import Node, NotMath


def stated(node: Node, *, strict: bool) -> Node | None:
    """The value that a relation states: of `x = 5`, `f(x) = x + 1`, `x in A`, `x = y = 2`, `1/3 ~ 0.33`.

    With `strict`, the left side must be a name; without, any symbols without numerals will do (`a + b = 5`).
    """
    operators, sides = node.name.split(), list(node.args)
    if not set(operators) <= {"=", "~", "in"}:
        return None
    if len(sides) == 2 and _is_name(sides[1]) and not _is_name(sides[0]) and operators == ["="]:
        sides.reverse()
    names = [_is_name(side) for side in sides]
    if not names[0] and operators[0] == "~":
        return sides[0]
    if not strict and not any(map(symbols, sides)) and not any(names):
        return sides[-1]  # "5 + 5 = 10": a computation ends in its result
    rest = [side for side, name in zip(sides, names, strict=True) if not name]
    if names[0]:
        if "~" in operators and rest:
            before = sides[: operators.index("~") + 1]
            return rest[0] if all(map(_is_name, before)) else before[-1]
        return sides[-1]
    if _is_quantity_name(sides[0]) or (not strict and not _has_numeral(sides[0]) and not symbols(sides[-1])):
        return sides[-1]
    return None


def _is_name(node: Node) -> bool:
    if node.kind in ("sym", "words"):
        return node.name not in ("pi", "e", "i")
    if node.kind == "apply":
        return all(arg.kind in ("sym", "num") for arg in node.args)
    return node.kind in ("tuple", "seq") and all(_is_name(arg) for arg in node.args)


def _is_quantity_name(node: Node) -> bool:
    """Names of geometry without numerals: `AB`, `|AB|`, `NO/BO`, `S_{ABC} : S`, `A : B`."""
    if node.kind == "sym":
        return node.name[0].isupper() or ":" in node.name
    if node.kind in ("mul", "div", "abs", "ratio"):
        return all(_is_quantity_name(arg) for arg in node.args)
    return False


def _has_numeral(node: Node) -> bool:
    return contains(node, "num")


def same_label(gold: Node, answer: Node) -> bool:
    """Whether two values may have the same label; any two function names match, and words match any label."""
    g, a = _label(gold), _label(answer)
    if g == a or "words" in (g.kind, a.kind) or {"apply"} == {g.kind, a.kind}:
        return True
    if g.kind == a.kind == "sym":
        return g.name.lower() == a.name.lower() or (
            len(g.name) > 1 and len(a.name) > 1 and ":" in g.name + a.name
        )
    return g.kind != a.kind and "apply" in (g.kind, a.kind)


def arguments(gold: Node, answer: Node) -> dict[str, str]:
    """How the arguments of `f(t) = ...` are to be renamed to become those of `f(x) = ...`."""
    g, a = _label(gold), _label(answer)
    if not (g.kind == a.kind == "apply" and len(g.args) == len(a.args)):
        return {}
    pairs = list(zip(a.args, g.args, strict=True))
    return {x.name: y.name for x, y in pairs} if all(x.kind == y.kind == "sym" for x, y in pairs) else {}


def _label(node: Node) -> Node:
    left, right = node.args[0], node.args[-1]
    return right if _is_name(right) and not _is_name(left) else left


Same = Callable[[Node, Node], bool]
MAX_ITEMS = 200


def is_collection(node: Node) -> bool:
    """Whether a node is a list, tuple, set, matrix or interval, or a term with matrices."""
    if node.kind in ("add", "mul", "neg"):
        return contains(node, "matrix")
    return node.kind in ("seq", "tuple", "set", "matrix", "interval")


def same_collection(gold: Node, answer: Node, same: Same) -> bool:
    """Compare where at least one side is a group, or has several values by `a sign of both`."""
    if contains(gold, "matrix") or contains(answer, "matrix"):
        return _matrices(fold(gold), fold(answer), same)
    return any(
        _same_items(g, a, same)
        for g in _expansions(gold, linked=True)
        for a in _expansions(answer, linked=True)
    ) or (
        any(contains(node, "pm") and is_collection(node) for node in (gold, answer))
        and any(
            _same_items(g, a, same)
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


def _same_items(gold: Node, answer: Node, same: Same) -> bool:
    g, a = _records(_items(gold)), _records(_items(answer))
    if max(len(g), len(a)) > MAX_ITEMS:
        raise NotMath("too many items")
    g_labels, a_labels = _labels(g), _labels(a)
    if g_labels and a_labels and len(set(g_labels)) == len(g) and set(g_labels) == set(a_labels):
        by_name = dict(zip(a_labels, a, strict=True))
        return all(same(_bare(item), _bare(by_name[name])) for name, item in zip(g_labels, g, strict=True))
    g, a = [_bare(item) for item in g], [_bare(item) for item in a]
    if all(is_collection(item) for item in (*g, *a)) and "tuple" not in (gold.kind, answer.kind):
        g, a = _distinct(g, same), _distinct(a, same)
    if "set" in (gold.kind, answer.kind) and "tuple" not in (gold.kind, answer.kind):
        return matching(_distinct(g, same), _distinct(a, same), same)
    if len(g) != len(a):
        return False
    ordered = all(_try(x, y, same) for x, y in zip(g, a, strict=True))
    if ordered:
        return True
    if "tuple" in (gold.kind, answer.kind) and not all(is_collection(item) for item in (*g, *a)):
        return False
    labels = g_labels or a_labels
    if labels and not (g_labels and a_labels) and _tell_apart(labels):
        items = sorted(zip(labels, a if a_labels else g, strict=True), key=lambda pair: pair[0])
        in_order = [item for _, item in items]
        return all(
            _try(x, y, same)
            for x, y in zip(g if a_labels else in_order, in_order if a_labels else a, strict=True)
        )
    return matching(g, a, same)


def _try(gold: Node, answer: Node, same: Same) -> bool:
    try:
        return same(gold, answer)
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
    value = stated(item, strict=False) if item.kind == "rel" else None
    return value if value is not None else item


def _records(items: Sequence[Node]) -> list[Node]:
    """`p=5, q=2; p=7, q=2` is a list of pairs: labels that come round again are grouped."""
    labels = _labels(items)
    period = labels.index(labels[0], 1) if labels and labels[0] in labels[1:] else 0
    if period < 2 or len(items) % period or any(labels[i] != labels[i % period] for i in range(len(labels))):
        return list(items)
    rows = [items[at : at + period] for at in range(0, len(items), period)]
    return [Node("tuple", tuple(_bare(item) for item in row), "()") for row in rows]


def _distinct(items: list[Node], same: Same) -> list[Node]:
    found: list[Node] = []
    for item in items:
        if not any(_try(other, item, same) for other in found):
            found.append(item)
    return found


def matching(gold: list[Node], answer: list[Node], same: Same) -> bool:
    """One-to-one matching in any order."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for item in gold:
        match = next((other for other in left if _try(item, other, same)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _matrices(gold: Node, answer: Node, same: Same) -> bool:
    g, a = _rows(gold), _rows(answer)
    if [len(row) for row in g] != [len(row) for row in a]:
        flat = [[cell for row in rows for cell in row] for rows in (g, a)]
        vectors = all(min(len(rows), max(map(len, rows))) == 1 for rows in (g, a))
        if not vectors or len(flat[0]) != len(flat[1]) or gold.kind == answer.kind:
            return False
        g, a = [flat[0]], [flat[1]]
    return all(same(x, y) for p, q in zip(g, a, strict=True) for x, y in zip(p, q, strict=True))


def _rows(node: Node) -> list[list[Node]]:
    if node.kind == "matrix":
        return [list(row.args) for row in node.args]
    return [list(node.args)] if node.kind in ("tuple", "seq") else [[node]]


MAX_SIDE = 12


def fold(node: Node) -> Node:
    """A sum, difference or product with matrices as one matrix; other nodes unchanged.

    Raises:
        NotMath: shapes do not fit.
    """
    if node.kind not in ("add", "mul", "neg"):
        return node
    args = [fold(arg) for arg in node.args]
    matrices = [arg for arg in args if arg.kind == "matrix"]
    if not matrices:
        return node
    if any(len(m.args) > MAX_SIDE or len(m.args[0].args) > MAX_SIDE for m in matrices):
        raise NotMath("matrix too large")
    if node.kind == "neg":
        return _each(args[0], lambda cell: Node("neg", (cell,)))
    if node.kind == "add":
        if len(matrices) != len(args) or len({_shape(m) for m in matrices}) != 1:
            raise NotMath("a sum of different shapes")
        rows = zip(*(m.args for m in args), strict=True)
        return _matrix(
            [
                [Node("add", cells) for cells in zip(*(row.args for row in group), strict=True)]
                for group in rows
            ]
        )
    left, right = args
    if left.kind != "matrix":
        return _each(right, lambda cell: Node("mul", (left, cell)))
    if right.kind != "matrix":
        return _each(left, lambda cell: Node("mul", (cell, right)))
    if _shape(left)[1] != _shape(right)[0]:
        raise NotMath("a product of shapes that do not fit")
    columns = list(zip(*(row.args for row in right.args), strict=True))
    return _matrix(
        [
            [
                Node("add", tuple(Node("mul", pair) for pair in zip(row.args, column, strict=True)))
                for column in columns
            ]
            for row in left.args
        ]
    )


def _shape(node: Node) -> tuple[int, int]:
    return len(node.args), len(node.args[0].args)


def _each(node: Node, change: Callable[[Node], Node]) -> Node:
    return _matrix([[change(cell) for cell in row.args] for row in node.args])


def _matrix(rows: Sequence[Sequence[Node]]) -> Node:
    return Node("matrix", tuple(Node("tuple", tuple(row)) for row in rows), "matrix")
