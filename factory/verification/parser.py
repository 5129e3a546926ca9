"""Recursive descent over tokens: expressions, brackets, relations. See `syntax` for the grammar and its limits."""

from __future__ import annotations

from fractions import Fraction

from factory.verification.syntax import FUNCTIONS, GREEK, MAX_DEPTH, SCALES, Node, NotMath

OPEN = {
    "(": ")", "[": "]", "\\{": "\\}", "{": "}", r"\langle": r"\rangle", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil",
    r"\begin": r"\end",
}  # fmt: skip
CLOSE = frozenset(OPEN.values())
RELATIONS = {
    "=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\ne": "!=", r"\in": "in", r"\approx": "~",
    r"\subset": "subset", r"\subseteq": "subseteq", r"\perp": "perp", r"\parallel": "parallel", r"\equiv": "=", r"\Leftrightarrow": "iff", r"\iff": "iff", r"\sim": "~",
}  # fmt: skip
_CONSTANTS = {
    "pi": Node("sym", name="pi"),
    "infty": Node("inf"),
    "emptyset": Node("empty"),
    "dots": Node("sym", name="dots"),
}
_ACCENTS = frozenset(
    [
        r"\vec",
        r"\hat",
        r"\bar",
        r"\overline",
        r"\tilde",
        r"\dot",
        r"\widehat",
        r"\overrightarrow",
        r"\angle",
        r"\triangle",
        r"\underline",
    ]
)
_SYSTEMS = frozenset(["cases", "aligned", "align", "gathered", "rcases"])
_MATRIX = frozenset(["matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array"])
_NUMBER_SETS = {"R": "reals", "Z": "ZZ", "N": "NN", "Q": "QQ", "C": "CC"}
_REJECTED = frozenset(
    ["extraneous", "rejected", "invalid", "not", "no", "never", "wrong", "false", "discarded", "except"]
)
_ENDS = frozenset(
    [",", ";", "and", "or", "&", "\\\\", *RELATIONS, r"\cup", r"\cap", r"\setminus", ":", r"\to"]
)


def close_of(tokens: list[str], begin: int) -> int:
    """Index of the bracket that closes the one at `begin`; `(a, b]` closes too.

    Raises:
        NotMath: it is never closed.
    """
    depth = 0
    curly = tokens[begin] == "{"
    for at in range(begin, len(tokens)):
        token = tokens[at]
        if curly and token not in ("{", "}"):
            continue
        if token in OPEN:
            depth += 1
        elif token in CLOSE:
            depth -= 1
            if depth == 0:
                return at
    raise NotMath("unclosed bracket")


def split(tokens: list[str], separators: frozenset[str] | set[str]) -> list[list[str]]:
    """Split at separators outside brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in OPEN) - (token in CLOSE)
        if depth == 0 and token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


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
        return Parser(tokens, self.depth + 1).whole()

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
                node = Node("mul", (node, self._signed()))
            elif token in ("/", r"\div"):
                self.take()
                node = Node("div", (node, self._signed()))
            elif self._starts_atom(token):
                right = self.factor()
                if right.kind == "num" and node.kind == "num":
                    raise NotMath("two numbers side by side")
                node = Node("mul", (node, right))
            else:
                return node

    def _signed(self) -> Node:
        if self.next in ("-", "+", r"\pm"):
            sign = self.take()
            node = self._signed()
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

    def _starts_atom(self, token: str) -> bool:
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
            return self._bracket()
        if token == "|":
            return self._bars()
        if token == "-":
            return Node("neg", (self.factor(),))
        if token[0] == "\\":
            return self._command(token)
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

    def _bracket(self) -> Node:
        from factory.verification.structure import bracket

        begin = self.at
        end = close_of(self.tokens, begin)
        self.at = end + 1
        return bracket(self.tokens[begin], self.tokens[begin + 1 : end], self.tokens[end], self.depth + 1)

    def _group(self) -> Node:
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

    def _command(self, token: str) -> Node:
        name = token[1:]
        if name == "frac":
            return Node("div", (self._group(), self._group()))
        if name in ("sqrt", "cbrt"):
            return self._root(name)
        if name == "binom":
            return Node("binom", (self._group(), self._group()))
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name == "mathbb":
            return self._number_set()
        if name in FUNCTIONS:
            return self._function(name)
        if name in GREEK:
            return Node("sym", name=name)
        if token in _ACCENTS:
            return self._accent(name)
        return self._rare(name)

    def _rare(self, name: str) -> Node:
        if name in ("pmod", "bmod", "mod"):
            return Node("sym", name=f"mod:{self._group().value}")
        if name in ("floor", "ceil", "abs") and self.next == "(":
            return Node(name, (self._bracket(),))
        if name == "begin":
            return self._environment()
        raise NotMath(f"unknown command {name}")

    def _number_set(self) -> Node:
        end = close_of(self.tokens, self.at) if self.next == "{" else self.at
        letter = "".join(self.tokens[self.at : end + 1]).strip("{}")
        self.at = end + 1
        return Node("reals") if letter == "R" else Node("sym", name=_NUMBER_SETS.get(letter, letter))

    def _root(self, name: str) -> Node:
        index = numeral("3" if name == "cbrt" else "2")
        if self.next == "[":
            end = close_of(self.tokens, self.at)
            index = self.inner(self.tokens[self.at + 1 : end])
            self.at = end + 1
        radicand = self._bracket() if self.next == "(" else self._group()
        return Node("root", (radicand, index))

    def _accent(self, name: str) -> Node:
        if self.next == "{":
            end = close_of(self.tokens, self.at)
            inner = "".join(self.tokens[self.at + 1 : end])
            self.at = end + 1
        else:
            inner = self.take()
            while name in ("angle", "triangle") and self.next.isalpha() and len(self.next) == 1:
                inner += self.take()
        if name == "overline" and inner.isdigit():
            return numeral(inner)
        return Node("sym", name=f"{name}:{inner}")

    def _function(self, name: str) -> Node:
        power: Node | None = None
        base: Node | None = None
        while self.next in ("^", "_"):
            if self.take() == "^":
                power = self._group()
            else:
                base = self._group()
        if self.next == "(":
            begin = self.at
            end = close_of(self.tokens, begin)
            self.at = end + 1
            args = tuple(self.inner(part) for part in split(self.tokens[begin + 1 : end], {","}))
        elif name in ("max", "min", "gcd", "lcm") and self.next == "\\{":
            args = self._bracket().args
        else:
            args = (self._argument(),)
        if power is not None and power.kind == "neg" and name in ("sin", "cos", "tan"):
            return Node("call", args, "arc" + name)
        if base is not None:
            args = (*args, base)
        node = Node("call", args, name)
        return node if power is None else Node("pow", (node, power))

    def _argument(self) -> Node:
        r"""The argument of a function without brackets: `\sin 2x`, `\ln \frac{1}{2}`; it ends at the next function."""
        node = self._signed()
        while self._starts_atom(self.next) and self.next[1:] not in FUNCTIONS and self.next != "(":
            node = Node("mul", (node, self.factor()))
        return node

    def _environment(self) -> Node:
        end = close_of(self.tokens, self.at)
        name = "".join(token.strip('"') for token in self.tokens[self.at + 1 : end])
        if name not in _MATRIX and name not in _SYSTEMS:
            raise NotMath(f"environment {name}")
        self.at = end + 1
        if name == "array" and self.next == "{":
            self.at = close_of(self.tokens, self.at) + 1
        depth, stop = 0, self.at
        while stop < len(self.tokens):
            depth += (self.tokens[stop] == r"\begin") - (self.tokens[stop] == r"\end")
            if depth < 0:
                break
            stop += 1
        else:
            raise NotMath("environment never ends")
        body = self.tokens[self.at : stop]
        self.at = close_of(self.tokens, stop + 1) + 1
        rows = [row for row in split(body, {"\\\\"}) if row]
        if name in _SYSTEMS:
            from factory.verification.structure import cases

            return cases(rows, self.depth + 1)
        cells = [tuple(self.inner(cell) for cell in split(row, {"&"})) for row in rows]
        if not cells or len({len(row) for row in cells}) != 1:
            raise NotMath("ragged matrix")
        return Node("matrix", tuple(Node("tuple", row) for row in cells), name)

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


def numeral(token: str) -> Node:
    """A numeral token as an exact number."""
    whole, _, decimals = token.partition(".")
    value = Fraction(int((whole or "0") + decimals), 10 ** len(decimals))
    return Node("num", value=value, decimals=len(decimals) if decimals else None)


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
