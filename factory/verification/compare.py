"""The second opinion: comparing two parsed answers by their structure, leaf by leaf.

It is independent of math-verify and of sympy. True and False are meant; what it does not understand raises `NotMath`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from factory.verification.leaf import contains, ratio, rename, same_leaf, symbols
from factory.verification.matrices import fold
from factory.verification.notation import words
from factory.verification.regions import is_region, same_region, spans
from factory.verification.syntax import Node, NotMath

MAX_ITEMS = 200
_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
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
    if is_region(gold) or is_region(answer):
        return _regions(gold, answer, question)
    if gold.kind == "rel" or answer.kind == "rel":
        return _relations(gold, answer, question)
    if "ratio" in (gold.kind, answer.kind):
        return _ratios(gold, answer, question)
    if _is_group(gold) or _is_group(answer) or contains(gold, "pm") or contains(answer, "pm"):
        return _groups(gold, answer, question)
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


# Relations


def _relations(gold: Node, answer: Node, question: str | None) -> bool:
    if gold.kind == "rel" and answer.kind == "rel":
        return _both_relations(gold, answer, question)
    if gold.kind == "rel":
        stated = _stated(gold, strict=True)
        if stated is None:
            raise NotMath("an equation against an expression")
        return same(stated, answer, question)
    stated = _stated(answer, strict=False)
    if stated is None:
        raise NotMath("an equation against an expression")
    return same(gold, stated, question)


def _both_relations(gold: Node, answer: Node, question: str | None) -> bool:
    g_value, a_value = _stated(gold, strict=True), _stated(answer, strict=True)
    if g_value is not None and a_value is not None and _same_label(gold, answer):
        return same(g_value, rename(a_value, _arguments(gold, answer)), question)
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


def _stated(node: Node, *, strict: bool) -> Node | None:
    """The value that a relation states: of `x = 5`, `f(x) = x + 1`, `x in A`, `x = y = 2`, `1/3 ~ 0.33`.

    With `strict`, the left side must be a name; without, any symbols without numerals will do (`a + b = 5`).
    """
    operators, sides = node.name.split(), list(node.args)
    if not set(operators) <= {"=", "~", "in"}:
        return None
    if len(sides) == 2 and _is_name(sides[1]) and not _is_name(sides[0]) and operators == ["="]:
        sides.reverse()
    names = [_is_name(side) for side in sides]
    if not strict and not any(map(symbols, sides)) and not any(names):
        return sides[-1]  # "5 + 5 = 10": a computation ends in its result
    if not names[0] and operators[0] == "~":
        return sides[0]
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


def _same_label(gold: Node, answer: Node) -> bool:
    g, a = _label(gold), _label(answer)
    if g == a or "words" in (g.kind, a.kind) or {"apply"} == {g.kind, a.kind}:
        return True
    if g.kind == a.kind == "sym":
        return g.name.lower() == a.name.lower() or (
            len(g.name) > 1 and len(a.name) > 1 and ":" in g.name + a.name
        )
    return g.kind != a.kind and "apply" in (g.kind, a.kind)


def _arguments(gold: Node, answer: Node) -> dict[str, str]:
    """How the arguments of `f(t) = ...` are to be renamed to become those of `f(x) = ...`."""
    g, a = _label(gold), _label(answer)
    if not (g.kind == a.kind == "apply" and len(g.args) == len(a.args)):
        return {}
    pairs = list(zip(a.args, g.args, strict=True))
    return {x.name: y.name for x, y in pairs} if all(x.kind == y.kind == "sym" for x, y in pairs) else {}


def _label(node: Node) -> Node:
    left, right = node.args[0], node.args[-1]
    return right if _is_name(right) and not _is_name(left) else left


# Regions


def _regions(gold: Node, answer: Node, question: str | None) -> bool:
    g, a = spans(_region_form(gold)), spans(_region_form(answer))
    if g is not None and a is not None:
        if gold.kind == answer.kind == "rel" and contains(gold, "apply") != contains(answer, "apply"):
            return False
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
        return _matching(list(gold.args), list(answer.args), question)
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


# Ratios


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


# Lists, tuples, sets, matrices


def _is_group(node: Node) -> bool:
    if node.kind in ("add", "mul", "neg"):
        return contains(node, "matrix")
    return node.kind in ("seq", "tuple", "set", "matrix", "interval")


def _groups(gold: Node, answer: Node, question: str | None) -> bool:
    if contains(gold, "matrix") or contains(answer, "matrix"):
        return _matrices(fold(gold), fold(answer), question)
    if gold.kind == "interval" and answer.kind == "interval":
        return same_region(spans(gold) or [], spans(answer) or [], question)
    return any(
        _same_items(g, a, question)
        for g in _expansions(gold, linked=True)
        for a in _expansions(answer, linked=True)
    ) or (
        any(contains(node, "pm") and _is_group(node) for node in (gold, answer))
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
            same(_bare(item), _bare(by_name[name]), question) for name, item in zip(g_labels, g, strict=True)
        )
    g, a = [_bare(item) for item in g], [_bare(item) for item in a]
    if all(_is_group(item) for item in (*g, *a)) and "tuple" not in (gold.kind, answer.kind):
        g, a = _distinct(g), _distinct(a)
    if "set" in (gold.kind, answer.kind) and "tuple" not in (gold.kind, answer.kind):
        return _matching(_distinct(g), _distinct(a), question)
    if len(g) != len(a):
        return False
    ordered = all(_try(x, y, question) for x, y in zip(g, a, strict=True))
    if ordered:
        return True
    if "tuple" in (gold.kind, answer.kind) and not all(_is_group(item) for item in (*g, *a)):
        return False
    labels = g_labels or a_labels
    if labels and not (g_labels and a_labels) and _tell_apart(labels):
        items = sorted(zip(labels, a if a_labels else g, strict=True), key=lambda pair: pair[0])
        in_order = [item for _, item in items]
        return all(
            _try(x, y, question)
            for x, y in zip(g if a_labels else in_order, in_order if a_labels else a, strict=True)
        )
    return _matching(g, a, question)


def _try(gold: Node, answer: Node, question: str | None) -> bool:
    try:
        return same(gold, answer, question)
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
    stated = _stated(item, strict=False) if item.kind == "rel" else None
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


def _matching(gold: list[Node], answer: list[Node], question: str | None) -> bool:
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
    return all(same(x, y, question) for p, q in zip(g, a, strict=True) for x, y in zip(p, q, strict=True))


def _rows(node: Node) -> list[list[Node]]:
    if node.kind == "matrix":
        return [list(row.args) for row in node.args]
    return [list(node.args)] if node.kind in ("tuple", "seq") else [[node]]
