"""The structure of an answer around its expressions: lists, tuples, sets, intervals, relations, labels, conditions."""

from __future__ import annotations

import re

from factory.verification.notation import quote_text, tidy
from factory.verification.parser import Parser, scaled
from factory.verification.spelling import respelled
from factory.verification.syntax import CLOSE, OPEN, RELATIONS, Node, NotMath, split, tokenize

_SEPARATORS = {",", ";", "and", "or", "\\\\", "&"}
_SETS = {r"\cup": "union", r"\setminus": "minus", r"\cap": "intersection"}
_CONDITION = frozenset((
    '"for', '"all', '"some', '"any', '"every', '"each', '"where', '"with', '"is', '"are', '"an', '"integer',
    '"integers', '"real', '"positive', '"negative', '"natural', '"nonnegative', '"number', '"numbers',
    '"arbitrary', '"constant', '"constants', '"a', '"in', '"of', '"to', '"be', '"values',
))  # fmt: skip
_NUMBER_SETS = frozenset(["ZZ", "NN", "QQ", "CC"])
_FILLER = frozenset((
    '"approximately', '"about', '"exactly', '"roughly', '"the', '"is', '"are', '"only', '"around', '"rs',
    '"usd', '"rmb',
))  # fmt: skip
_REPEATING = re.compile(r"(\d{1,12})?\.(\d{0,12})(?:\\overline\s?\{(\d{1,12})\}|\\dot\s?\{?(\d)\}?)")
_WRITTEN_OUT = re.compile(r"(\d{1,12})?\.(\d{0,6}?)(\d{1,6}?)\3{2,8}()\s*\\dots")
_BRACED_ARRAY = re.compile(r"\\\{\s*\\begin\{array\}\s*(?:\{[^{}]{0,20}\})?(.{0,1500}?)\\end\{array\}", re.S)
_ELLIPSIS = re.compile(r"\.{3,}")
_TRAILING_CONDITION = re.compile(
    r"\(\s*[a-zA-Z](?:\s*,\s*[a-zA-Z])*\s*\\in\s*\\mathbb\s*\{?[ZNQR][^()]{0,12}\)\s*$"
)
_IGNORED = frozenset(["$", "€", "£", "¥", "~", ".", r"\forall", r"\exists"])
_WORD_TOKENS = {
    '"percent': ["%"], '"percentage': ["%"], '"pct': ["%"], '"degrees': ["^", "{", r"\circ", "}"],
    '"degree': ["^", "{", r"\circ", "}"], '"infinity': [r"\infty"],
}  # fmt: skip


def parse(text: str, *, thousands: bool = True) -> Node:
    """Parse one answer.

    Raises:
        NotMath: the text is outside the grammar.
    """
    text = _closed(respelled(quote_text(tidy(text))))
    text = _BRACED_ARRAY.sub(r"\\begin{cases}\1\\end{cases}", text)
    text = _ELLIPSIS.sub(r" \\dots ", text)
    text = _REPEATING.sub(_repeating, text)
    text = _WRITTEN_OUT.sub(_repeating, text)
    text = _TRAILING_CONDITION.sub("", text).rstrip(" .,;:")
    tokens = _words(tokenize(text, thousands=thousands))
    tokens = [t for t in tokens if t not in _IGNORED]
    if not tokens:
        raise NotMath("empty")
    return answer(tokens, 0)


def _closed(text: str) -> str:
    """A text that was cut within its last braces, with these closed."""
    missing = text.count("{") - text.count("\\{") - text.count("}") + text.count("\\}")
    if text.startswith("(") and text.count("(") == text.count(")") + 1 and not re.search(r"[],]", text):
        text = text[1:]
    return text + "}" * missing if 0 < missing <= 3 else text


def _repeating(match: re.Match[str]) -> str:
    whole, lead, cycle = match[1] or "0", match[2], match[3] or match[4]
    bottom = (10 ** len(cycle) - 1) * 10 ** len(lead)
    top = int(whole + lead + cycle) - int(whole + lead)
    return rf" \frac{{{top}}}{{{bottom}}} "


def _words(tokens: list[str]) -> list[str]:
    result: list[str] = []
    for token in tokens:
        result += _WORD_TOKENS.get(
            token.lower(), [token.lower() if token[0] == '"' and token[1:2].isupper() else token]
        )
    return result


def _cut_condition(tokens: list[str]) -> list[str]:
    """Drop `for all x in R`, `where k is an integer`, `for some integer t` at the end."""
    for at, token in enumerate(tokens):
        if token in ('"for', '"where', '"with') and at:
            rest = _cut(tokens[at:], set(RELATIONS) - {r"\in"})[0]
            if not rest and all(t in _CONDITION or not t.startswith('"') for t in tokens[at:]):
                return tokens[:at]
    return tokens


def answer(tokens: list[str], depth: int) -> Node:
    """A whole answer: one statement, or several joined by commas, "and", "or"."""
    parts = [part for part in split(tokens, _SEPARATORS) if part]
    if not parts:
        raise NotMath("empty")
    items = [statement(part, depth) for part in parts]
    if len(items) > 1:
        items = [item for item in items if not _is_membership(item)] or items[:1]
    if len(items) == 1:
        return items[0]
    joined = {token for token in tokens if token in ("and", "or")}
    ranges = [item for item in items if is_inequality(item)]
    if joined == {"or"} and (ranges or any(item.kind == "interval" for item in items)):
        return Node("union", tuple(items))
    if ranges and len(ranges) == len(items):
        return Node("intersection", tuple(items))
    return Node("seq", tuple(items))


def is_inequality(node: Node) -> bool:
    """A relation with an order sign or `≠`."""
    return node.kind == "rel" and bool({"<", ">", "<=", ">=", "!="} & set(node.name.split()))


def _is_membership(node: Node) -> bool:
    return (
        node.kind == "rel"
        and node.name == "in"
        and (node.args[1].kind == "reals" or node.args[1].name in _NUMBER_SETS)
    )


def statement(tokens: list[str], depth: int) -> Node:
    """A relation, a labelled value, a ratio, a combination of sets, or an expression."""
    while tokens and (tokens[0] in _FILLER or tokens[0] in ("=", r"\approx", r"\sim")):
        tokens = tokens[1:]
    tokens = _cut_condition(tokens)
    if not tokens:
        raise NotMath("empty")
    if all(token[0] == '"' for token in tokens):
        return Node("words", name=" ".join(token[1:] for token in tokens))
    operators, parts = _cut(tokens, set(RELATIONS))
    if operators:
        names = " ".join(RELATIONS[op] for op in operators)
        return Node("rel", tuple(_side(part, depth) for part in parts), names)
    colons, parts = _cut(tokens, {":"})
    if colons:
        return _colon(parts, depth)
    return _sets(tokens, depth)


def _cut(tokens: list[str], operators: set[str]) -> tuple[list[str], list[list[str]]]:
    found: list[str] = []
    level = 0
    for token in tokens:
        level += (token in OPEN) - (token in CLOSE)
        if level == 0 and token in operators:
            found.append(token)
    return found, split(tokens, operators) if found else [tokens]


def _side(tokens: list[str], depth: int) -> Node:
    """One side of a relation; words are a label."""
    if not tokens:
        raise NotMath("a relation without a side")
    if tokens[0][0] == '"':
        return Node("words", name=" ".join(token.strip('"') for token in tokens))
    colons, parts = _cut(tokens, {":"})
    return _colon(parts, depth) if colons else _sets(tokens, depth)


def _colon(parts: list[list[str]], depth: int) -> Node:
    """`Paolo: 18` is a labelled value, `7:32` a ratio."""
    head = parts[0]
    if len(parts) == 2 and head and head[0][0] == '"':
        label = Node("words", name=" ".join(token.strip('"') for token in head))
        return Node("rel", (label, statement(parts[1], depth)), "=")
    return Node("ratio", tuple(_sets(part, depth) for part in parts))


def _sets(tokens: list[str], depth: int) -> Node:
    for operator in (r"\cup", r"\cap", r"\setminus"):
        found, parts = _cut(tokens, {operator})
        if found:
            return Node(_SETS[operator], tuple(_sets(part, depth + 1) for part in parts))
    if len(tokens) > 1 and tokens[0] in ("\\", "-") and tokens[1] == "\\{":
        raise NotMath("a sign before a set")
    return scaled(AnswerParser(tokens, depth).whole())


class AnswerParser(Parser):
    """The parser of expressions, whose brackets hold answers again."""

    def read_bracket(self, begin: str, inner: list[str], end: str) -> Node:
        """A group, tuple, interval, set, floor or ceiling."""
        return bracket(begin, inner, end, self.depth + 1)

    def read_cases(self, rows: list[list[str]]) -> Node:
        """A system of equations or a function by cases."""
        return cases(rows, self.depth + 1)


def bracket(begin: str, inner: list[str], end: str, depth: int) -> Node:
    """What a pair of brackets holds: a group, tuple, interval, set, floor or ceiling."""
    if begin == r"\lfloor":
        return Node("floor", (AnswerParser(inner, depth).whole(),))
    if begin == r"\lceil":
        return Node("ceil", (AnswerParser(inner, depth).whole(),))
    if begin == "\\{":
        return _braces(inner, depth)
    parts = split(inner, {",", ";"})
    if begin == "{":
        if len(parts) > 1:
            return Node("set", tuple(answer(part, depth) for part in parts))
        return answer(inner, depth)
    if len(parts) == 1:
        if (begin == "(") != (end == ")"):
            raise NotMath("brackets do not match")
        return answer(inner, depth)
    items = tuple(statement(part, depth) for part in parts)
    if len(items) == 2 and begin != r"\langle":
        infinite = any(item.kind == "inf" or (item.args and item.args[0].kind == "inf") for item in items)
        if begin == "[" or end == "]" or infinite:
            return Node("interval", items, begin + end)
    return Node("tuple", items, begin + end)


def _braces(inner: list[str], depth: int) -> Node:
    if not inner:
        return Node("empty")
    for bar in ("|", ":"):
        bars, parts = _cut(inner, {bar})
        if len(bars) == 1 and parts[0] and parts[1]:
            head = statement(parts[0], depth)
            if head.kind in ("sym", "rel", "tuple"):
                return Node("builder", (head, answer(parts[1], depth)))
    if len(split(inner, {"or"})) > 1:
        return answer(inner, depth)
    parts = [part for part in split(inner, {",", ";", "and"}) if part]
    return Node("set", tuple(statement(part, depth) for part in parts))


_IF = frozenset(['"if', '"when', '"for', '"where', '"otherwise', '"else', ",", ";", "&", "."])


def cases(rows: list[list[str]], depth: int) -> Node:
    """A function by cases as an unordered set of (value, condition); a system of equations as a list of them."""
    items = []
    for row in rows:
        cells = [cell for cell in split(row, {"&"}) if cell]
        if len(cells) == 1:
            cells = [cell for cell in split(row, {",", '"if', '"when'}) if cell]
        while cells and cells[0] and cells[0][-1] in _IF:
            cells[0] = cells[0][:-1]
        value = statement(cells[0], depth)
        rest = [token for cell in cells[1:] for token in cell if token not in _IF]
        items.append(Node("tuple", (value, answer(rest, depth)), "()") if rest else value)
    piecewise = any(item.kind == "tuple" for item in items)
    return Node("set" if piecewise else "seq", tuple(items))
