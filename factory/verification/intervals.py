"""Sets of real numbers: intervals, inequalities, unions and set-builder notation as one form."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from factory.verification.expressions import same_expression, symbols
from factory.verification.structure import is_inequality
from factory.verification.syntax import Node, NotMath
from factory.verification.values import Reading, value

_INF = Node("inf")
_MINUS_INF = Node("neg", (_INF,))
_FLIP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!=", "=": "="}


@dataclass(frozen=True, slots=True)
class Span:
    """An interval with its ends; a point is a closed interval with equal ends."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


def is_region(node: Node) -> bool:
    """Whether the notation leaves no doubt that a set of reals is meant."""
    if node.kind == "rel":
        return is_inequality(node) or (node.name == "in" and is_region(node.args[1]))
    return node.kind in ("interval", "union", "intersection", "minus", "builder", "reals")


def spans(node: Node) -> list[Span] | None:
    """The intervals of a region, or None when the node is none (or not one that is understood)."""
    if node.kind == "reals":
        return [Span(_MINUS_INF, _INF, False, False)]
    if node.kind == "empty":
        return []
    if node.kind == "interval" or (node.kind == "tuple" and len(node.args) == 2 and node.name == "()"):
        low, high = node.args
        return [Span(low, high, node.name[0] == "[", node.name[1] == "]")]
    if node.kind == "set":
        return [Span(item, item, True, True) for item in node.args]
    if node.kind == "builder":
        return _builder(node)
    if node.kind == "rel":
        return _relation(node)
    parts = [spans(arg) for arg in node.args]
    if any(part is None for part in parts) or node.kind not in ("union", "intersection", "minus"):
        return None
    known = [part for part in parts if part is not None]
    if node.kind == "union":
        return [span for part in known for span in part]
    if node.kind == "minus" and len(known) == 2:
        return _intersect(known[0], _complement(known[1]))
    result = known[0]
    for part in known[1:]:
        result = _intersect(result, part)
    return result


def _builder(node: Node) -> list[Span] | None:
    head, condition = node.args
    if head.kind == "rel" and head.name == "in" and head.args[1].kind != "reals":
        return None
    return spans(condition) if is_region(condition) or condition.kind == "rel" else None


def _relation(node: Node) -> list[Span] | None:
    operators, sides = node.name.split(), list(node.args)
    if operators == ["in"]:
        return spans(sides[1])
    names = [_is_variable(side) for side in sides]
    if len(sides) == 2 and operators[0] in _FLIP:
        if not names[0] and names[1]:
            sides, names, operators = sides[::-1], names[::-1], [_FLIP[operators[0]]]
        if not names[0] or symbols(sides[0]) & symbols(sides[1]):
            return None
        return _unfold(sides[0], _ray(operators[0], sides[1]))
    if len(sides) == 3 and names[1] and not symbols(sides[1]) & (symbols(sides[0]) | symbols(sides[2])):
        up = all(op in ("<", "<=") for op in operators)
        down = all(op in (">", ">=") for op in operators)
        if up or down:
            low, high = (sides[0], sides[2]) if up else (sides[2], sides[0])
            first, last = operators if up else operators[::-1]
            return _unfold(sides[1], [Span(low, high, first.endswith("="), last.endswith("="))])
    return None


def _unfold(variable: Node, region: list[Span]) -> list[Span]:
    """For an inequality in `|x|`, the region of `x` itself, over the reals."""
    if variable.kind != "abs":
        return region
    positive = _intersect(region, [Span(Node("num", value=Fraction(0)), _INF, True, False)])
    negative = [Span(_negated(s.high), _negated(s.low), s.high_closed, s.low_closed) for s in positive]
    return [*negative, *positive]


def _negated(node: Node) -> Node:
    return node.args[0] if node.kind == "neg" else Node("neg", (node,))


def _is_variable(node: Node) -> bool:
    return (
        (node.kind == "sym" and node.name not in ("pi", "e"))
        or node.kind == "apply"
        or (node.kind == "abs" and node.args[0].kind == "sym")
    )


def _ray(operator: str, bound: Node) -> list[Span]:
    closed = operator in ("<=", ">=")
    if operator == "=":
        return [Span(bound, bound, True, True)]
    if operator == "!=":
        return [Span(_MINUS_INF, bound, False, False), Span(bound, _INF, False, False)]
    if operator in ("<", "<="):
        return [Span(_MINUS_INF, bound, False, closed)]
    return [Span(bound, _INF, closed, False)]


def _place(node: Node) -> Any:
    """Where an end lies on the real line.

    Raises:
        NotMath: it has symbols in it.
    """
    if node.kind == "inf":
        return float("inf")
    if node.kind == "neg" and node.args[0].kind == "inf":
        return float("-inf")
    found = value(node.args[0] if node.kind == "quantity" else node, {}, Reading())
    if found.complex:
        raise NotMath("an end that is not real")
    return found.v


def _complement(region: list[Span]) -> list[Span]:
    result = [Span(_MINUS_INF, _INF, False, False)]
    for span in region:
        outside = [
            Span(_MINUS_INF, span.low, False, not span.low_closed),
            Span(span.high, _INF, not span.high_closed, False),
        ]
        result = _intersect(result, [s for s in outside if _place(s.low) < _place(s.high)])
    return result


def _intersect(left: list[Span], right: list[Span]) -> list[Span]:
    found = []
    for a in left:
        for b in right:
            low, low_closed = max(
                (a.low, a.low_closed), (b.low, b.low_closed), key=lambda end: (_place(end[0]), not end[1])
            )
            high, high_closed = min(
                (a.high, a.high_closed), (b.high, b.high_closed), key=lambda end: (_place(end[0]), end[1])
            )
            if _place(low) < _place(high) or (_place(low) == _place(high) and low_closed and high_closed):
                found.append(Span(low, high, low_closed, high_closed))
    return found


def merged(region: list[Span]) -> list[Span]:
    """Sorted, with touching intervals joined. Raises NotMath when ends cannot be placed."""
    ordered = sorted(region, key=lambda s: (_place(s.low), not s.low_closed))
    result: list[Span] = []
    for span in ordered:
        if result:
            last = result[-1]
            gap = _place(span.low) - _place(last.high) if _place(last.high) != _place(span.low) else 0
            if gap < 0 or (gap == 0 and (span.low_closed or last.high_closed)):
                if _place(span.high) > _place(last.high):
                    result[-1] = Span(last.low, span.high, last.low_closed, span.high_closed)
                elif _place(span.high) == _place(last.high) and span.high_closed:
                    result[-1] = Span(last.low, last.high, last.low_closed, True)
                continue
        result.append(span)
    return result


def opened(region: list[Span]) -> list[Span]:
    """The spans without their ends."""
    return [Span(span.low, span.high, False, False) for span in region]


def same_region(gold: list[Span], answer: list[Span], question: str | None = None) -> bool:
    """Whether two regions are equal, end by end; open and closed ends differ."""
    with suppress(NotMath):
        gold, answer = merged(gold), merged(answer)
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for g in gold:
        match = next((a for a in left if _same_span(g, a, question)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _same_span(g: Span, a: Span, question: str | None) -> bool:
    if (g.low_closed, g.high_closed) != (a.low_closed, a.high_closed):
        return False
    return _same_end(g.low, a.low, question) and _same_end(g.high, a.high, question)


def _same_end(g: Node, a: Node, question: str | None) -> bool:
    sign = _infinite(g), _infinite(a)
    if any(sign):
        return sign[0] == sign[1]
    return same_expression(g, a, question)


def _infinite(node: Node) -> int:
    if node.kind == "inf":
        return 1
    return -1 if node.kind == "neg" and node.args[0].kind == "inf" else 0
