"""Labels of answers: which side of a relation is a name, and the value that it states."""

from __future__ import annotations

from factory.verification.expressions import contains, symbols
from factory.verification.syntax import Node


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
