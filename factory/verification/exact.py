"""Exact values of rational constants, as fractions of bounded length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from factory.verification.syntax import Node, NotMath

MAX_BITS = 4_096
"""Exact rationals whose terms are longer are left to floating point."""


class Undefined(NotMath):
    """The expression has no value here: division by zero, a pole, a logarithm of zero."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How ambiguous notation is read.

    Percent as a hundredth or as the bare number, degrees as such or as radians, `log` to base e or 10.
    """

    percent: Fraction = Fraction(1, 100)
    radians: bool = False
    log10: bool = False


def exact(node: Node, reading: Reading) -> Fraction | None:
    """The exact value of a rational constant, or None when it is irrational, symbolic or too large."""
    args = [exact(arg, reading) for arg in node.args]
    if node.kind == "num":
        return node.value
    if any(arg is None for arg in args):
        return None
    rule = _EXACT.get(node.kind)
    if rule is None:
        return {"pct": lambda x: x * reading.percent, "deg": lambda x: None if reading.radians else x}.get(
            node.kind, lambda *_: None
        )(*args)
    try:
        result = rule(*args)
    except ZeroDivisionError:
        raise Undefined("division by zero") from None
    if result is None or max(abs(result.numerator), result.denominator).bit_length() > MAX_BITS:
        return None
    return result


def _sum(*terms: Fraction) -> Fraction:
    return sum(terms, Fraction(0))


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or abs(exponent) * max(_bits(base), 1) > MAX_BITS:
        return None
    return base ** int(exponent)


def _exact_factorial(x: Fraction) -> Fraction | None:
    if x.denominator != 1 or not 0 <= x <= 400:
        return None
    result = 1
    for factor in range(2, int(x) + 1):
        result *= factor
    return Fraction(result)


def _exact_root(x: Fraction, index: Fraction) -> Fraction | None:
    if index.denominator != 1 or not 1 <= index <= 64:
        return None
    sign = -1 if x < 0 else 1
    if sign < 0 and int(index) % 2 == 0:
        return None
    top, bottom = _integer_root(abs(x.numerator), int(index)), _integer_root(x.denominator, int(index))
    return None if top is None or bottom is None else Fraction(sign * top, bottom)


def _integer_root(n: int, index: int) -> int | None:
    low, high = 0, 1 << (n.bit_length() // index + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**index < n:
            low = middle + 1
        else:
            high = middle
    return low if low**index == n else None


def _exact_binomial(n: Fraction, k: Fraction) -> Fraction | None:
    if n.denominator != 1 or k.denominator != 1 or not 0 <= k <= 200 or abs(n) > 10_000:
        return None
    result = Fraction(1)
    for i in range(int(k)):
        result = result * (n - i) / (i + 1)
    return result


def _bits(x: Fraction) -> int:
    return max(abs(x.numerator), x.denominator).bit_length() - 1


_EXACT: dict[str, Callable[..., Fraction | None]] = {
    "add": _sum,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": _exact_power,
    "root": _exact_root,
    "fact": _exact_factorial,
    "abs": abs,
    "floor": lambda a: Fraction(a.__floor__()),
    "ceil": lambda a: Fraction(a.__ceil__()),
    "binom": _exact_binomial,
    "quantity": lambda a: a,
}
