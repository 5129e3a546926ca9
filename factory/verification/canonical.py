"""Canonical form of an answer as a line of text, for people who compare gold and answer side by side."""

from __future__ import annotations

from factory.verification.exact import Reading, exact
from factory.verification.leaf import symbols
from factory.verification.syntax import Node, NotMath
from factory.verification.values import mp, value

MAX_SHOWN = 400
_INFIX = {
    "mul": "*",
    "div": "/",
    "pow": "^",
    "ratio": ":",
    "union": " U ",
    "intersection": " & ",
    "minus": " \\ ",
}


def canonical(node: Node) -> str:
    """Rational constants reduced, irrational ones with 15 digits, everything else in one plain notation."""
    return _show(node)[:MAX_SHOWN]


def _show(node: Node) -> str:
    constant = _constant(node)
    if constant is not None:
        return constant
    parts = [_show(arg) for arg in node.args]
    if node.kind == "rel":
        operators = node.name.split()
        return parts[0] + "".join(f" {op} {part}" for op, part in zip(operators, parts[1:], strict=False))
    if node.kind in ("sym", "words", "call", "apply"):
        return node.name + (f"({', '.join(parts)})" if parts else "")
    if node.kind in ("tuple", "interval"):
        begin, end = (node.name or "()")[0], (node.name or "()")[-1]
        return begin + ", ".join(parts) + end if len(node.name) <= 2 else "(" + ", ".join(parts) + ")"
    if node.kind in _INFIX:
        return _INFIX[node.kind].join(
            f"({p})" if " " in p and node.kind in ("mul", "div", "pow") else p for p in parts
        )
    if node.kind == "add":
        return " + ".join(parts).replace("+ -", "- ")
    shapes = {"neg": "-{}", "pm": "+-({})", "fact": "{}!", "pct": "{}%", "deg": "{} deg", "abs": "|{}|", "inf": "oo",
              "empty": "{{}}", "reals": "R"}  # fmt: skip
    if node.kind in shapes:
        return shapes[node.kind].format(*parts)
    if node.kind in ("set", "matrix"):
        return "{" + ", ".join(parts) + "}" if node.kind == "set" else "[" + "; ".join(parts) + "]"
    if node.kind == "quantity":
        return f"{parts[0]} {node.name}"
    return f"{', '.join(parts)}" if node.kind == "seq" else f"{node.kind}({', '.join(parts)})"


def _constant(node: Node) -> str | None:
    if node.kind not in ("num", "add", "mul", "div", "pow", "root", "neg", "fact", "binom", "call", "abs"):
        return None
    try:
        known = exact(node, Reading())
        if known is not None:
            return str(known)
        if symbols(node):
            return None
        found = value(node, {}, Reading())
        return str(mp.nstr(found.v, 15))
    except NotMath:
        return None
