"""Comparing relations: equations, inequalities, labelled values, and regions of the real line."""

from __future__ import annotations

from factory.verification import compare, groups
from factory.verification.leaf import contains, ratio, rename, symbols
from factory.verification.regions import same_region, spans
from factory.verification.syntax import Node, NotMath

_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def same_relation(gold: Node, answer: Node, question: str | None) -> bool:
    """Compare where at least one side is an equation or a labelled value."""
    if gold.kind == "rel" and answer.kind == "rel":
        return _both_relations(gold, answer, question)
    if gold.kind == "rel":
        value = stated(gold, strict=True)
        if value is None:
            raise NotMath("an equation against an expression")
        return compare.same(value, answer, question)
    value = stated(answer, strict=False)
    if value is None:
        raise NotMath("an equation against an expression")
    return compare.same(gold, value, question)


def _both_relations(gold: Node, answer: Node, question: str | None) -> bool:
    g_value, a_value = stated(gold, strict=True), stated(answer, strict=True)
    if g_value is not None and a_value is not None and _same_label(gold, answer):
        return compare.same(g_value, rename(a_value, _arguments(gold, answer)), question)
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
    if all(compare.same(g, a, question) for g, a in zip(g_sides, a_sides, strict=True)):
        return True
    symmetric = g_ops == ["="]
    return symmetric and all(
        compare.same(g, a, question) for g, a in zip(g_sides, a_sides[::-1], strict=True)
    )


def _upward(node: Node) -> tuple[list[str], tuple[Node, ...]]:
    operators = node.name.split()
    if operators and all(op in (">", ">=") for op in operators):
        return [_FLIP[op] for op in reversed(operators)], node.args[::-1]
    return operators, node.args


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


def same_regions(gold: Node, answer: Node, question: str | None) -> bool:
    """Compare where at least one side is a region of the real line."""
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
        return groups.matching(list(gold.args), list(answer.args), question)
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
