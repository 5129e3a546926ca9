"""Recursive descent over tokens: expressions, brackets, relations. See `syntax` for the grammar and its limits."""

from __future__ import annotations

from fractions import Fraction

from factory.verification.commands import command, numeral
from factory.verification.syntax import (
    CLOSE,
    MAX_DEPTH,
    OPEN,
    RELATIONS,
    SCALES,
    Node,
    NotMath,
    close_of,
    split,
)

_REJECTED = frozenset(
    ["extraneous", "rejected", "invalid", "not", "no", "never", "wrong", "false", "discarded", "except"]
)
_ENDS = frozenset(
    [",", ";", "and", "or", "&", "\\\\", *RELATIONS, r"\cup", r"\cap", r"\setminus", ":", r"\to"]
)


class Parser:
    """One expression over a list of tokens. `expression` consumes what it can; `whole` insists on all of it."""

    def __init__(self, tokens: list[str], depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise NotMath("nested too deeply")
        self.tokens, self.at, self.depth = tokens, 0, depth

    @property
    def next(self) -> str:
        """The next token, empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        """Consume a token."""
        if self.at >= len(self.tokens):
            raise NotMath("unexpected end")
        self.at += 1
        return self.tokens[self.at - 1]

    def inner(self, tokens: list[str]) -> Node:
        """Parse a bracket's content as an expression."""
        return type(self)(tokens, self.depth + 1).whole()

    def whole(self) -> Node:
        """The expression that all tokens make up, with a trailing unit if there is one.

        Raises:
            NotMath: something is left over.
        """
        if not self.tokens:
            raise NotMath("empty")
        node = self.expression()
        unit = self._unit()
        if self.at != len(self.tokens):
            raise NotMath(f"unexpected {self.next!r}")
        return Node("quantity", (node,), unit) if unit else node

    def expression(self) -> Node:
        """Sums and differences."""
        terms: list[Node] = []
        while True:
            sign = self.next
            if sign in ("+", "-", r"\pm", r"\mp"):
                self.take()
            elif terms:
                break
            node = self.product()
            if sign == "-":
                node = Node("neg", (node,))
            elif sign in (r"\pm", r"\mp"):
                node = Node("pm", (node,), sign)
            terms.append(node)
            if self.next not in ("+", "-", r"\pm", r"\mp"):
                break
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def product(self) -> Node:
        """Products and quotients, with signs and implicit multiplication."""
        node = self._mixed(self.factor())
        while True:
            token = self.next
            if token in ("*", r"\cdot", r"\times"):
                self.take()
                node = Node("mul", (node, self.signed()))
            elif token in ("/", r"\div"):
                self.take()
                node = Node("div", (node, self.signed()))
            elif self.starts_atom(token):
                right = self.factor()
                if right.kind == "num" and node.kind == "num":
                    raise NotMath("two numbers side by side")
                node = Node("mul", (node, right))
            else:
                return node

    def signed(self) -> Node:
        """A factor with its signs."""
        if self.next in ("-", "+", r"\pm"):
            sign = self.take()
            node = self.signed()
            return {"-": Node("neg", (node,)), "+": node}.get(sign, Node("pm", (node,), sign))
        return self.factor()

    def _mixed(self, node: Node) -> Node:
        r"""`2 \frac{1}{3}` and `2 1/3` are mixed numbers: whole number, then a proper fraction of numerals."""
        if node.kind != "num" or node.decimals is not None or node.value is None:
            return node
        mark = self.at
        if self.next == r"\frac":
            part = self.factor()
        elif self.next.isdigit() and self.tokens[self.at + 1 : self.at + 2] == ["/"]:
            top = self.factor()
            self.take()
            part = Node("div", (top, self.factor()))
        else:
            return node
        top, bottom = part.args if part.kind == "div" and len(part.args) == 2 else (node, node)
        if top.kind == bottom.kind == "num" and top.decimals is None and bottom.decimals is None:
            assert top.value is not None and bottom.value is not None
            if 0 < top.value < bottom.value:
                return Node("add", (node, part))
        self.at = mark
        return node

    def starts_atom(self, token: str) -> bool:
        """Whether a token can begin a factor."""
        if not token or token in _ENDS or token in CLOSE or token[0] == '"':
            return False
        if token in ("(", "[", "{", "\\{", "|") or token[0].isdigit() or token[0] == ".":
            return token != "\\{" and (token != "|" or "|" in self.tokens[self.at + 1 :])
        return (token[0] == "\\" and token not in (r"\pm", r"\mp", "\\}", "\\|")) or token.isalpha()

    def factor(self) -> Node:
        """An atom with its powers and postfix signs."""
        node = self.atom()
        while True:
            token = self.next
            if token == "^":
                self.take()
                node = self._power(node)
            elif token == "!":
                self.take()
                node = Node("fact", (node,))
            elif token == "%":
                self.take()
                node = Node("pct", (node,))
            elif token == "'":
                self.take()
                node = Node("sym", name=f"{_name(node)}'")
            elif token == "_":
                self.take()
                node = self._subscript(node)
            else:
                return node

    def _power(self, base: Node) -> Node:
        if self.next == "{":
            end = close_of(self.tokens, self.at)
            inner = self.tokens[self.at + 1 : end]
            self.at = end + 1
            if inner == [r"\circ"]:
                return Node("deg", (base,))
            if inner and set(inner) <= {"'", r"\prime"}:
                return Node("sym", name=_name(base) + "'" * len(inner))
            return Node("pow", (base, self.inner(inner)))
        if self.next in ("-", "+"):
            sign = self.take()
            node = self.atom()
            return Node("pow", (base, Node("neg", (node,)) if sign == "-" else node))
        exponent = self.atom()
        if self.next == "^":
            self.take()
            exponent = self._power(exponent)
        return Node("pow", (base, exponent))

    def _subscript(self, base: Node) -> Node:
        if self.next == "{":
            end = close_of(self.tokens, self.at)
            inner = self.tokens[self.at + 1 : end]
            self.at = end + 1
        else:
            inner = [self.take()]
        name = "".join(token.strip('"') for token in inner)
        if base.kind == "num":
            return Node("based", (base,), name)
        return Node("sym", name=f"{_name(base)}_{name}")

    def atom(self) -> Node:
        """A numeral, symbol, bracket, command or function."""
        token = self.take()
        if token[0].isdigit() or (token[0] == "." and len(token) > 1):
            return numeral(token)
        if token in OPEN and token != r"\begin":
            self.at -= 1
            return self.bracket()
        if token == "|":
            return self._bars()
        if token == "-":
            return Node("neg", (self.factor(),))
        if token[0] == "\\":
            return command(self, token)
        if token.isalpha():
            return self._symbol(token)
        raise NotMath(f"unexpected {token!r}")

    def _symbol(self, name: str) -> Node:
        if self.next == "(" and name in "fghFGHWPQpq" and self.at < len(self.tokens):
            end = close_of(self.tokens, self.at)
            inside = self.tokens[self.at + 1 : end]
            # f(x), g(x, y), P(2): an application; q(a+b) is taken for a product.
            if len(split(inside, {","})) * 2 - 1 == len(inside) or name in "fgh":
                self.at = end + 1
                return Node("apply", tuple(self.inner(part) for part in split(inside, {","})), name)
        return Node("sym", name=name)

    def _bars(self) -> Node:
        depth = 0
        for end in range(self.at, len(self.tokens)):
            token = self.tokens[end]
            if token == "|" and depth == 0 and end > self.at:
                inner = self.tokens[self.at : end]
                self.at = end + 1
                return Node("abs", (self.inner(inner),))
            depth += (token in OPEN) - (token in CLOSE)
        raise NotMath("unclosed absolute value")

    def bracket(self) -> Node:
        """What a bracket that starts here holds."""
        begin = self.at
        end = close_of(self.tokens, begin)
        self.at = end + 1
        return self.read_bracket(self.tokens[begin], self.tokens[begin + 1 : end], self.tokens[end])

    def read_bracket(self, begin: str, inner: list[str], end: str) -> Node:
        """What a pair of brackets around tokens means; the structure of answers is `structure`'s."""
        raise NotImplementedError

    def read_cases(self, rows: list[list[str]]) -> Node:
        """What the rows of a system or of a function by cases mean."""
        raise NotImplementedError

    def group(self) -> Node:
        """A LaTeX argument: `{...}` or a single token (of a numeral, its first digit only)."""
        if self.next == "{":
            end = close_of(self.tokens, self.at)
            inner = self.tokens[self.at + 1 : end]
            self.at = end + 1
            return self.inner(inner)
        token = self.take()
        if token.isdigit() and len(token) > 1:
            self.at -= 1
            self.tokens = [*self.tokens[: self.at], token[1:], *self.tokens[self.at + 1 :]]
            return numeral(token[0])
        self.at -= 1
        return self.atom()

    def _unit(self) -> str:
        """Words at the end: scale words multiply elsewhere, units are kept as one string."""
        words: list[str] = []
        while self.next and (self.next[0] == '"' or (words and self.next not in RELATIONS)):
            token = self.take()
            if words and token in ("=", "(", "["):
                raise NotMath("words inside mathematics")
            word = token.strip('"{}')
            if word[:1].isdigit() and words[-1:] != ["^"] and words:
                raise NotMath("a number among the words")
            words.append(word)
        if _REJECTED & {word.lower() for word in words}:
            raise NotMath("words that take the answer back")
        return " ".join(word for word in words if word)


def _name(node: Node) -> str:
    if node.kind not in ("sym", "apply"):
        raise NotMath("only symbols have names")
    return node.name


def scaled(node: Node) -> Node:
    """`2.5 million` as a number: scale words at the front of a unit multiply."""
    if node.kind != "quantity":
        return node
    words = node.name.split()
    inner = node.args[0]
    while words and words[0].lower() in SCALES:
        inner = Node("mul", (inner, Node("num", value=Fraction(SCALES[words.pop(0).lower()]))))
    return Node("quantity", (inner,), " ".join(words)) if words else inner
