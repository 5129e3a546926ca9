"""Equality of two expressions: exact values, decimals at the gold's own precision, values at fixed points."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import Any

from factory.verification.number import CLOSE_DIGITS, Number, close
from factory.verification.syntax import UNITS, Node, NotMath
from factory.verification.values import Reading, Undefined, Value, exact, mp, value

RELATIVE = mp.mpf(10) ** -60
"""Relative difference below which two values at 80 digits are one."""
_INTEGERS = frozenset("knmjNKM")
_PARAMETERS = frozenset(["k", "n", "m", "t", "s", "l", "ell", "j", "u", "r", "p", "q", "N", "K", "M"])
_CONSTANTS = frozenset(["c", "C", "lambda", "mu", "c_1", "c_2", "C_1", "C_2"])
"""Names that answers bring in for a running parameter and for an arbitrary constant; one is not the other."""


def symbols(node: Node) -> frozenset[str]:
    """Free symbols of an expression; pi, e and i are constants."""
    found = {node.name} if node.kind == "sym" and node.name not in ("pi", "e", "i") else set()
    return frozenset(found.union(*(symbols(arg) for arg in node.args)))


def contains(node: Node, *kinds: str) -> bool:
    """Whether a node of one of these kinds occurs in it."""
    return node.kind in kinds or any(contains(arg, *kinds) for arg in node.args)


def same_expression(gold: Node, answer: Node, question: str | None = None) -> bool:
    """Whether two expressions are equal under one of the readings that the notation allows.

    Raises:
        NotMath: one of them has no value that could be compared.
    """
    if gold == answer:
        return True
    gold, answer, scale = _units(gold, answer)
    if scale is None:
        return False
    for g, a in _renamed(gold, answer, question):
        for left, right in _readings(g, a):
            if _same(g, a, left, right, scale):
                return True
    if "dots" in symbols(gold) | symbols(answer):
        raise NotMath("an ellipsis")  # equal forms are recognised, different ones may still mean the same
    return False


def _units(gold: Node, answer: Node) -> tuple[Node, Node, Fraction | None]:
    """Take units off. The scale is by how much the answer has to be multiplied; None when dimensions differ."""
    g_unit, gold = (gold.name, gold.args[0]) if gold.kind == "quantity" else ("", gold)
    a_unit, answer = (answer.name, answer.args[0]) if answer.kind == "quantity" else ("", answer)
    g, a = _dimension(g_unit) or _sign_of(gold), _dimension(a_unit) or _sign_of(answer)
    if g is None or a is None:
        return gold, answer, Fraction(1)
    if a[0] in _SIGNS and g[0] in _SIGNS:
        return gold, answer, Fraction(1)
    return gold, answer, a[1] / g[1] if a[0] == g[0] else None


_SIGNS = frozenset(["pct", "deg"])


def _sign_of(node: Node) -> tuple[str, Fraction] | None:
    """Percent and degree signs as dimensions, so that `50%` is not `50 km`."""
    return (node.kind, Fraction(1)) if node.kind in _SIGNS else None


def _dimension(unit: str) -> tuple[str, Fraction] | None:
    """The dimension and scale of a unit such as `cm`, `cm ^ 2`, `square meters`, `km / h`; None when unknown."""
    words = unit.split()
    power = 1
    if words and words[0][:2] in ("平方", "立方"):
        words = ["square" if words[0][0] == "平" else "cubic", words[0][2:]]
    if words[:1] in (["square"], ["sq"], ["cubic"]):
        power = 3 if words[0] == "cubic" else 2
        words = words[1:]
    if len(words) == 3 and words[1] == "^" and words[2] in ("2", "3"):
        power, words = int(words[2]), words[:1]
    if len(words) == 3 and words[1] in ("/", "per"):
        top, bottom = UNITS.get(words[0]), UNITS.get(words[2])
        return (f"{top[0]}/{bottom[0]}", top[1] / bottom[1]) if top and bottom else None
    if len(words) != 1 or words[0] not in UNITS:
        return None
    dimension, scale = UNITS[words[0]]
    return f"{dimension}^{power}", scale**power


def _renamed(gold: Node, answer: Node, question: str | None) -> Iterator[tuple[Node, Node]]:
    r"""The pair as it is; and with dummy symbols of the answer renamed (`k\pi` is `n\pi` when both are parameters)."""
    g, a = symbols(gold), symbols(answer)
    lone = gold.kind == answer.kind == "sym"  # a letter that is the whole answer is no dummy
    if lone or g == a or len(g - a) != len(a - g) or len(g - a) > 2:
        yield gold, answer
        return
    wanted, given = sorted(g - a), sorted(a - g)
    for order in permutations(wanted):
        if all(_may_rename(old, new, question) for old, new in zip(given, order, strict=True)):
            yield gold, rename(answer, dict(zip(given, order, strict=True)))


def _may_rename(given: str, wanted: str, question: str | None) -> bool:
    """Whether `given` is a name that the answer brought in itself and that can stand for `wanted`."""
    family = next((names for names in (_PARAMETERS, _CONSTANTS) if given in names), None)
    if family is None:
        return False
    if question is None:
        return wanted in family
    used = re.search(rf"(?<![A-Za-z\\]){re.escape(given)}(?![A-Za-z])", question)
    return used is None and (wanted in family or wanted not in _PARAMETERS | _CONSTANTS)


def rename(node: Node, names: dict[str, str]) -> Node:
    """The node with symbols renamed."""
    if node.kind == "sym" and node.name in names:
        return replace(node, name=names[node.name])
    return replace(node, args=tuple(rename(arg, names) for arg in node.args)) if node.args else node


_PLAIN = Reading()
_WHOLE = Reading(percent=Fraction(1))


def _readings(gold: Node, answer: Node) -> Iterator[tuple[Reading, Reading]]:
    """Readings to try, one for each side: percent as such or as a number, degrees or radians, `log` to base e or 10."""
    yield _PLAIN, _PLAIN
    g, a = contains(gold, "pct"), contains(answer, "pct")
    if g != a:
        yield (_WHOLE, _PLAIN) if g else (_PLAIN, _WHOLE)
    if contains(gold, "deg") != contains(answer, "deg"):
        radians = Reading(radians=True)
        yield radians, radians
    if _bare_log(gold) or _bare_log(answer):
        decimal = Reading(log10=True)
        yield decimal, decimal


def _bare_log(node: Node) -> bool:
    return (node.kind == "call" and node.name == "log" and len(node.args) == 1) or any(
        map(_bare_log, node.args)
    )


def _same(gold: Node, answer: Node, left: Reading, right: Reading, scale: Fraction) -> bool:
    g, a = exact(gold, left), exact(answer, right)
    if g is not None and a is not None:
        a *= scale
        return close(g, shown(gold, g), a, shown(answer, a))
    if symbols(gold) != symbols(answer):
        return False
    if symbols(gold):
        return _same_everywhere(gold, answer, left, right)
    u, w = value(gold, {}, left), value(answer, {}, right)
    w = Value(w.v * scale.numerator / scale.denominator, w.err * scale.numerator / scale.denominator)
    return near(u, w) or _rounded(gold, u, w) or _rounded(answer, w, u, given=True)


def shown(node: Node, number: Fraction) -> Number:
    """A rational constant with the precision at which it is written: only a lone decimal numeral may be rounded."""
    inner, percent = (node.args[0], True) if node.kind == "pct" else (node, False)
    inner = inner.args[0] if inner.kind in ("neg", "deg") else inner
    if inner.kind != "num" or inner.decimals is None or inner.value is None:
        return Number(number, None, 0)
    digits = len(str(abs(inner.value.numerator * 10**inner.decimals // inner.value.denominator)).lstrip("0"))
    shift = 2 if percent and number != inner.value and number != -inner.value else 0
    return Number(number, inner.decimals + shift, digits)


def _rounded(node: Node, written: Value, other: Value, *, given: bool = False) -> bool:
    """Whether `node` is a decimal numeral to which the other, irrational value rounds.

    `given` says that the decimal stands in the answer and the gold is exact: then `CLOSE_DIGITS` digits are asked for.
    """
    if written.complex or other.complex or mp.im(other.v) != 0:
        return False
    known = exact(node, _PLAIN)
    number = None if known is None else shown(node, known)
    if number is None or number.decimals is None or number.digits < (CLOSE_DIGITS if given else 3):
        return False
    unit, cut = mp.mpf(10) ** -number.decimals, abs(other.v) - abs(written.v)
    return bool(abs(written.v - other.v) <= unit / 2 or (written.v * other.v > 0 and 0 <= cut < unit))


def near(a: Value, b: Value) -> bool:
    """Equal to within the relative tolerance, or to within what cancellation leaves uncertain."""
    gap = abs(a.v - b.v)
    return bool(gap <= RELATIVE * max(abs(a.v), abs(b.v)) or gap <= (a.err + b.err) * 10)


def points(names: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Fixed points at which identities are tested: positive reals, then integers for counting symbols, then mixed signs."""
    ordered = sorted(names)
    counting = bool(names) and all(name[0] in _INTEGERS for name in ordered)
    for turn in range(4):
        if counting:
            yield {name: mp.mpf(3 + 2 * turn + 5 * place + turn * turn) for place, name in enumerate(ordered)}
        else:
            yield {name: _irrational(turn, place) for place, name in enumerate(ordered)}
    for turn in (4, 5):
        yield {
            name: mp.mpf(4 + 3 * turn + place)
            if counting
            else _irrational(turn, place) * (-1) ** (place + turn)
            for place, name in enumerate(ordered)
        }


def _irrational(turn: int, place: int) -> Any:
    return mp.mpf("0.37") + mp.frac(mp.sqrt(2 + 3 * turn + 7 * place) * (1 + place)) * mp.mpf("2.3")


def _same_everywhere(gold: Node, answer: Node, left: Reading, right: Reading) -> bool:
    """Equal at enough points. Points where one side is undefined or leaves the reals on the way do not count."""
    agreed = 0
    for number, point in enumerate(points(symbols(gold))):
        try:
            g, a = value(gold, point, left), value(answer, point, right)
        except Undefined:
            continue
        if number >= 4 and (g.complex or a.complex):
            continue
        if not near(g, a):
            return False
        agreed += 1
    if agreed < 3:
        raise NotMath("undefined at most points")
    return True


def ratio(gold: Node, answer: Node) -> Any | None:
    """The constant factor between two expressions in the same symbols, or None when there is none."""
    if symbols(gold) != symbols(answer) or not symbols(gold):
        return None
    found: list[Any] = []
    for point in points(symbols(gold)):
        try:
            g, a = value(gold, point, _PLAIN), value(answer, point, _PLAIN)
        except Undefined:
            continue
        if g.complex or a.complex or abs(g.v) <= g.err * 10 or abs(a.v) <= a.err * 10:
            continue
        found.append(a.v / g.v)
    if len(found) < 4 or any(abs(f - found[0]) > RELATIVE * abs(found[0]) for f in found):
        return None
    return found[0]
