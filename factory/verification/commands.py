"""LaTeX commands within an expression: fractions, roots, functions, accents, environments."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from factory.verification.syntax import FUNCTIONS, GREEK, Node, NotMath, close_of, split

if TYPE_CHECKING:
    from factory.verification.parser import Parser

_CONSTANTS = {
    "pi": Node("sym", name="pi"),
    "infty": Node("inf"),
    "emptyset": Node("empty"),
    "dots": Node("sym", name="dots"),
}
_ACCENTS = frozenset((
    r"\vec", r"\hat", r"\bar", r"\overline", r"\tilde", r"\dot", r"\widehat", r"\overrightarrow", r"\angle",
    r"\triangle", r"\underline",
))  # fmt: skip
_SYSTEMS = frozenset(["cases", "aligned", "align", "gathered", "rcases"])
_MATRIX = frozenset(["matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array"])
_NUMBER_SETS = {"R": "reals", "Z": "ZZ", "N": "NN", "Q": "QQ", "C": "CC"}


def numeral(token: str) -> Node:
    """A numeral token as an exact number."""
    whole, _, decimals = token.partition(".")
    value = Fraction(int((whole or "0") + decimals), 10 ** len(decimals))
    return Node("num", value=value, decimals=len(decimals) if decimals else None)


def command(parser: Parser, token: str) -> Node:
    """What the command `token`, which the parser has just taken, and its arguments stand for."""
    name = token[1:]
    if name == "frac":
        return Node("div", (parser.group(), parser.group()))
    if name in ("sqrt", "cbrt"):
        return _root(parser, name)
    if name == "binom":
        return Node("binom", (parser.group(), parser.group()))
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name == "mathbb":
        return _number_set(parser)
    if name in FUNCTIONS:
        return _function(parser, name)
    if name in GREEK:
        return Node("sym", name=name)
    if token in _ACCENTS:
        return _accent(parser, name)
    return _rare(parser, name)


def _rare(parser: Parser, name: str) -> Node:
    if name in ("pmod", "bmod", "mod"):
        return Node("sym", name=f"mod:{parser.group().value}")
    if name in ("floor", "ceil", "abs") and parser.next == "(":
        return Node(name, (parser.bracket(),))
    if name == "begin":
        return _environment(parser)
    raise NotMath(f"unknown command {name}")


def _number_set(parser: Parser) -> Node:
    end = close_of(parser.tokens, parser.at) if parser.next == "{" else parser.at
    letter = "".join(parser.tokens[parser.at : end + 1]).strip("{}")
    parser.at = end + 1
    return Node("reals") if letter == "R" else Node("sym", name=_NUMBER_SETS.get(letter, letter))


def _root(parser: Parser, name: str) -> Node:
    index = numeral("3" if name == "cbrt" else "2")
    if parser.next == "[":
        end = close_of(parser.tokens, parser.at)
        index = parser.inner(parser.tokens[parser.at + 1 : end])
        parser.at = end + 1
    radicand = parser.bracket() if parser.next == "(" else parser.group()
    return Node("root", (radicand, index))


def _accent(parser: Parser, name: str) -> Node:
    if parser.next == "{":
        end = close_of(parser.tokens, parser.at)
        inner = "".join(parser.tokens[parser.at + 1 : end])
        parser.at = end + 1
    else:
        inner = parser.take()
        while name in ("angle", "triangle") and parser.next.isalpha() and len(parser.next) == 1:
            inner += parser.take()
    if name == "overline" and inner.isdigit():
        return numeral(inner)
    return Node("sym", name=f"{name}:{inner}")


def _function(parser: Parser, name: str) -> Node:
    power: Node | None = None
    base: Node | None = None
    while parser.next in ("^", "_"):
        if parser.take() == "^":
            power = parser.group()
        else:
            base = parser.group()
    if parser.next == "(":
        begin = parser.at
        end = close_of(parser.tokens, begin)
        parser.at = end + 1
        args = tuple(parser.inner(part) for part in split(parser.tokens[begin + 1 : end], {","}))
    elif name in ("max", "min", "gcd", "lcm") and parser.next == "\\{":
        args = parser.bracket().args
    else:
        args = (_argument(parser),)
    if power is not None and power.kind == "neg" and f"arc{name}" in FUNCTIONS:
        return Node("call", args, "arc" + name)
    if base is not None:
        args = (*args, base)
    node = Node("call", args, name)
    return node if power is None else Node("pow", (node, power))


def _argument(parser: Parser) -> Node:
    r"""The argument of a function without brackets: `\sin 2x`, `\ln \frac{1}{2}`; it ends at the next function."""
    node = parser.signed()
    while parser.starts_atom(parser.next) and parser.next[1:] not in FUNCTIONS and parser.next != "(":
        node = Node("mul", (node, parser.factor()))
    return node


def _environment(parser: Parser) -> Node:
    end = close_of(parser.tokens, parser.at)
    name = "".join(token.strip('"') for token in parser.tokens[parser.at + 1 : end])
    if name not in _MATRIX and name not in _SYSTEMS:
        raise NotMath(f"environment {name}")
    parser.at = end + 1
    if name == "array" and parser.next == "{":
        parser.at = close_of(parser.tokens, parser.at) + 1
    depth, stop = 0, parser.at
    while stop < len(parser.tokens):
        depth += (parser.tokens[stop] == r"\begin") - (parser.tokens[stop] == r"\end")
        if depth < 0:
            break
        stop += 1
    else:
        raise NotMath("environment never ends")
    body = parser.tokens[parser.at : stop]
    parser.at = close_of(parser.tokens, stop + 1) + 1
    rows = [row for row in split(body, {"\\\\"}) if row]
    if name in _SYSTEMS:
        return parser.read_cases(rows)
    cells = [tuple(parser.inner(cell) for cell in split(row, {"&"})) for row in rows]
    if not cells or len({len(row) for row in cells}) != 1:
        raise NotMath("ragged matrix")
    return Node("matrix", tuple(Node("tuple", row) for row in cells), name)
