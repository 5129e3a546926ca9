"""Values of expressions: exactly where they are rational, else at 80 digits with a running error bound.

Equality of two expressions is decided by their values at fixed, irrational-looking points. 80 digits and unbounded
exponents tell 1/2004! from 1/2006!; the error bound tells a cancellation that is zero from a number that is tiny.
Nothing here can explode: exponents, factorials and trigonometric arguments are bounded before they are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mpmath.ctx_mp import MPContext

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


DIGITS = 80
MAX_EXPONENT = 10**12
MAX_FACTORIAL = 10**6

mp = MPContext()
mp.dps = DIGITS
_EPS = mp.mpf(10) ** (-DIGITS + 2)


@dataclass(frozen=True, slots=True)
class Value:
    """A value with an absolute error bound; `complex` is set when a part of the computation left the real line."""

    v: Any
    err: Any
    complex: bool = False


def value(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    """The value of an expression with its symbols at `point`.

    Raises:
        Undefined: there is none here.
        NotMath: the node is no expression, or its value is out of bounds.
    """
    known = exact(node, reading)
    if known is not None:
        v = mp.mpf(known.numerator) / known.denominator
        return Value(v, abs(v) * _EPS)
    rule = _RULES.get(node.kind)
    if rule is None:
        raise NotMath(f"{node.kind} has no value")
    try:
        result = rule(node, point, reading)
    except (ZeroDivisionError, ValueError, OverflowError) as error:
        raise Undefined(str(error) or "undefined") from None
    if not mp.isfinite(result.v):
        raise Undefined("not finite")
    return result


def _symbol(node: Node, point: Mapping[str, Any], _: Reading) -> Value:
    if node.name == "pi":
        return Value(+mp.pi, _EPS * 4)
    if node.name == "e" and "e" not in point:
        return Value(+mp.e, _EPS * 3)
    if node.name == "i" and "i" not in point:
        return Value(mp.mpc(0, 1), mp.mpf(0), True)
    if node.name not in point:
        raise NotMath(f"free symbol {node.name}")
    v = point[node.name]
    return Value(v, abs(v) * _EPS)


def _add(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    parts = [value(arg, point, reading) for arg in node.args]
    total = mp.fsum(p.v for p in parts)
    return Value(total, mp.fsum(p.err for p in parts) + abs(total) * _EPS, any(p.complex for p in parts))


def _mul(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    a, b = (value(arg, point, reading) for arg in node.args)
    v = a.v * b.v
    return Value(v, abs(a.v) * b.err + abs(b.v) * a.err + abs(v) * _EPS, a.complex or b.complex)


def _div(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    a, b = (value(arg, point, reading) for arg in node.args)
    if abs(b.v) <= b.err:
        raise Undefined("division by zero")
    v = a.v / b.v
    return Value(v, (a.err + abs(v) * b.err) / abs(b.v) + abs(v) * _EPS, a.complex or b.complex)


def _power(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    a, b = (value(arg, point, reading) for arg in node.args)
    return _raise(a, b)


def _raise(a: Value, b: Value) -> Value:
    if abs(b.v) > MAX_EXPONENT or mp.mag(abs(a.v) + 1) > MAX_EXPONENT:
        raise NotMath("exponent out of bounds")
    if abs(a.v) <= a.err:
        if mp.re(b.v) <= 0:
            raise Undefined("power of zero")
        return Value(mp.mpf(0), a.err)
    v = a.v**b.v
    log = abs(mp.log(a.v))
    err = abs(v) * (abs(b.v) * a.err / abs(a.v) + log * b.err + _EPS * (1 + abs(b.v) * log))
    left = a.complex or b.complex or (mp.im(v) != 0 and mp.im(a.v) == 0)
    return Value(v, err, bool(left))


def _root(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x, index = (value(arg, point, reading) for arg in node.args)
    if mp.im(x.v) == 0 and x.v < 0 and mp.isint(index.v) and int(index.v) % 2 == 1:
        root = _raise(Value(-x.v, x.err), Value(1 / index.v, _EPS))
        return Value(-root.v, root.err)
    return _raise(x, Value(1 / index.v, _EPS / abs(index.v)))


def _factorial(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x = value(node.args[0], point, reading)
    if abs(x.v) > MAX_FACTORIAL:
        raise NotMath("factorial out of bounds")
    v = mp.factorial(x.v)
    return Value(v, abs(v) * _EPS * 100 * (1 + abs(x.v)), x.complex)


def _binomial(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    n, k = (value(arg, point, reading) for arg in node.args)
    if max(abs(n.v), abs(k.v)) > MAX_FACTORIAL:
        raise NotMath("binomial out of bounds")
    v = mp.binomial(n.v, k.v)
    return Value(v, abs(v) * _EPS * 100 * (1 + abs(n.v)), n.complex or k.complex)


def _floor(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x = value(node.args[0], point, reading)
    if x.complex:
        raise NotMath("floor of a complex number")
    nearest = mp.nint(x.v)
    if abs(x.v - nearest) <= x.err:
        return Value(nearest, mp.mpf(0))
    return Value(mp.floor(x.v) if node.kind == "floor" else mp.ceil(x.v), mp.mpf(0))


def _apply(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    """An unknown function as a fixed smooth one, so that equal arguments give equal values and others do not."""
    v = mp.mpf(sum(ord(c) * (i + 3) for i, c in enumerate(node.name))) / 7
    err = _EPS
    for place, arg in enumerate(node.args):
        x = value(arg, point, reading)
        v = v * mp.mpf("1.37") + mp.sin(x.v * (place + 2) + v) * 3
        err = err * 5 + x.err * 10 + _EPS
    return Value(v, err)


_CALLS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "sin": (mp.sin, lambda x, f: 1 + abs(f)),
    "cos": (mp.cos, lambda x, f: 1 + abs(f)),
    "tan": (mp.tan, lambda x, f: 1 + abs(f) ** 2),
    "cot": (mp.cot, lambda x, f: 1 + abs(f) ** 2),
    "sec": (mp.sec, lambda x, f: 1 + abs(f) ** 2),
    "csc": (mp.csc, lambda x, f: 1 + abs(f) ** 2),
    "arcsin": (mp.asin, lambda x, f: 1 / mp.sqrt(abs(1 - x * x) + _EPS)),
    "arccos": (mp.acos, lambda x, f: 1 / mp.sqrt(abs(1 - x * x) + _EPS)),
    "arctan": (mp.atan, lambda x, f: mp.mpf(1)),
    "arccot": (mp.acot, lambda x, f: mp.mpf(1)),
    "sinh": (mp.sinh, lambda x, f: 1 + abs(f)),
    "cosh": (mp.cosh, lambda x, f: 1 + abs(f)),
    "tanh": (mp.tanh, lambda x, f: mp.mpf(1)),
    "arcsinh": (mp.asinh, lambda x, f: mp.mpf(1)),
    "arccosh": (mp.acosh, lambda x, f: 1 / mp.sqrt(abs(x * x - 1) + _EPS)),
    "arctanh": (mp.atanh, lambda x, f: 1 / (abs(1 - x * x) + _EPS)),
    "exp": (mp.exp, lambda x, f: abs(f)),
}
_ANGLES = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])


def _call(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    name = node.name
    if name in _ANGLES:
        reading = Reading(reading.percent, True, reading.log10)
    args = [value(arg, point, reading) for arg in node.args]
    left = any(a.complex for a in args)
    if name in ("ln", "log", "lg"):
        return _log(name, args, reading)
    if name in ("max", "min", "gcd", "lcm"):
        return _many(name, args)
    if name not in _CALLS or len(args) != 1:
        raise NotMath(f"function {name}")
    x = args[0]
    if abs(x.v) > 10**6:
        raise NotMath("argument out of bounds")
    function, slope = _CALLS[name]
    v = function(x.v)
    return Value(
        v, slope(x.v, v) * (x.err + abs(x.v) * _EPS) + (1 + abs(v)) * _EPS, left or bool(mp.im(v) != 0)
    )


def _log(name: str, args: list[Value], reading: Reading) -> Value:
    x = args[0]
    if abs(x.v) <= x.err:
        raise Undefined("logarithm of zero")
    v, err = mp.log(x.v), x.err / abs(x.v) + _EPS
    if len(args) == 2:
        base = args[1]
        below = mp.log(base.v)
        if abs(below) <= _EPS:
            raise Undefined("logarithm to base one")
        err = (err + abs(v / below) * base.err / abs(base.v)) / abs(below)
        v /= below
    elif name == "lg" or (name == "log" and reading.log10):
        v /= mp.ln10
    return Value(v, err + abs(v) * _EPS * 4, any(a.complex for a in args) or bool(mp.im(v) != 0))


def _many(name: str, args: list[Value]) -> Value:
    if any(a.complex for a in args) or not args:
        raise NotMath(f"{name} of what is not real")
    if name in ("max", "min"):
        pick = max if name == "max" else min
        return pick(args, key=lambda a: a.v)
    raise NotMath(name)


def _abs(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x = value(node.args[0], point, reading)
    return Value(abs(x.v), x.err)


def _neg(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x = value(node.args[0], point, reading)
    return Value(-x.v, x.err, x.complex)


def _percent(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x = value(node.args[0], point, reading)
    factor = mp.mpf(reading.percent.numerator) / reading.percent.denominator
    return Value(x.v * factor, x.err * factor + abs(x.v) * _EPS, x.complex)


def _degree(node: Node, point: Mapping[str, Any], reading: Reading) -> Value:
    x = value(node.args[0], point, reading)
    if not reading.radians:
        return x
    return Value(x.v * mp.pi / 180, x.err + abs(x.v) * _EPS, x.complex)


_RULES: dict[str, Callable[[Node, Mapping[str, Any], Reading], Value]] = {
    "sym": _symbol,
    "add": _add,
    "mul": _mul,
    "div": _div,
    "pow": _power,
    "root": _root,
    "fact": _factorial,
    "binom": _binomial,
    "floor": _floor,
    "ceil": _floor,
    "apply": _apply,
    "call": _call,
    "abs": _abs,
    "neg": _neg,
    "pct": _percent,
    "deg": _degree,
    "quantity": lambda node, point, reading: value(node.args[0], point, reading),
}
