"""What turns the meaning of a text round keeps it from being a duplicate; what is notation does not."""

import itertools
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import deduplicate
from factory.deduplication.marks import marks_hash
from factory.text.tokens import PADDING, flat

LONG = (
    " Let ABC be a triangle with incircle touching the sides in points D and E and F, and let the other circle meet the "
    "bisector of the angle at A again in a point called M, while H denotes the orthocentre and O the centre of that "
    "circle, and let the line through both of them meet side BC."
)


def merged(one, other, **more):
    rows = pl.DataFrame({"problem": [one, other]})
    return deduplicate(rows, DeduplicationSection(**more), field="problem").dropped.height == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"Find $\dfrac{1}{2}+x$.", r"find \(\frac{1}{2} + x\)"),
        (r"Compute \[\sum_{i=1}^{n} i\]", r"Compute $$\sum_{i = 1}^n i$$"),
        (r"Let $\alpha$ be a root of $x^{2}-1$", "Let α be a root of x²−1"),
        (
            r"Find $\sqrt{2}$ of $a_{n}$, don't ask Tom's aunt",
            r"Find $\sqrt 2$ of $a_n$, don't ask Tom's aunt",
        ),
        (r"Compute $x^{-1}$ for", r"Compute $x^-1$ for"),
        (r"It rises by 5\% a year", r"It rises by 5% a year"),
        (r"Let “x” be the number", 'Let "x" be the number'),
    ],
)
def test_notation_does_not_matter(one, other):
    assert merged(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"Divide $2^{n+1}$ by 7", r"Divide $2^n+1$ by 7"),
        (r"Divide $2^{n+1+1}$ by 7", r"Divide $2^{n+1}+1$ by 7"),
        (r"Let $a_{n+1}=2a_n$. Find $a_{10}$", r"Let $a_n+1=2a_n$. Find $a_{10}$"),
        (r"Evaluate $\sqrt{x+1}$ at $x=8$", r"Evaluate $\sqrt{x}+1$ at $x=8$"),
        (r"Evaluate $\sqrt[3]{x+1}$ at $x=8$", r"Evaluate $\sqrt[3]{x}+1$ at $x=8$"),
        ("Let $f(x)=x^3$. Find $f'(2)$", "Let $f(x)=x^3$. Find $f(2)$"),
        ("Let $f(x)=x^3$. Find $f''(2)$", "Let $f(x)=x^3$. Find $f'(2)$"),
        ("Let $f(x)=x^3$. Find $f′(2)$", "Let $f(x)=x^3$. Find $f(2)$"),
        ("Show that A'B'C' is one", "Show that A B C is one"),
        ("A price of 20 rises by 5%. What is it", "A price of 20 rises by 5. What is it"),
        ("Is A ⊂ B possible", "Is A ⊃ B possible"),
        ("Compute ⌊2.5⌋", "Compute ⌈2.5⌉"),
        ("Is n ≢ 1 mod 5", "Is n ≡ 1 mod 5"),
        ("Which are divisible by three." + LONG, "Which are not divisible by three." + LONG),
        ("Find n with $n<5$." + LONG, "Find n with $n>5$." + LONG),
        (r"Find n with $n\le 5$." + LONG, r"Find n with $n\ge 5$." + LONG),
        (r"Find $\max f$." + LONG, r"Find $\min f$." + LONG),
        ("The chance of at least two." + LONG, "The chance of at most two." + LONG),
        ("Sum the even divisors." + LONG, "Sum the odd divisors." + LONG),
        (r"Find $\sin t$." + LONG, r"Find $\cos t$." + LONG),
        ("Find $x+y$." + LONG, "Find $x-y$." + LONG),
    ],
)
def test_what_turns_the_meaning_round_does_unless_asked(one, other):
    assert not merged(one, other)
    assert merged(one, other, numbers_differ=False)


def test_a_raised_digit_is_a_power():
    assert not merged("What is 2⁵ of", "What is 25 of")
    assert merged("What is 2⁵ of", "What is $2^5$ of")


def marks(text):
    """The marks of a folded text by regular expressions."""
    found, quoted = [], None
    for match in re.finditer(r"\\sqrt(?:\[[^\]]*\])?|[\^_%']|[^\x00-\x7f]", text):
        here, sign = match.start(), match.group()
        if sign == "'":
            lone = re.search(r"(?:[)\]}]|(?<![A-Za-z])[A-Za-z])$", text[:here])
            if (lone or quoted == here - 1) and not re.match(r"[a-z]", text[here + 1 : here + 2]):
                found.append(1)
                quoted = here
        elif sign == "%":
            found.append(2)
        elif sign == "′":
            found.append(1)
        elif not sign.isascii():
            if re.match(r"[\u2180-\u22ff\u2308-\u230b\u2a00-\u2aff]", sign):
                found.append(ord(sign))
        elif operators := group(text[match.end() :]):
            found.append(3 + (operators << 32))
    return found


def group(text):
    """Operators of a group in braces at the begin of `text`, all but a leading one."""
    text = text.lstrip(" ")
    if not text.startswith("{"):
        return 0
    depth, inside = 0, ""
    for character in text.encode()[:256].decode("latin1"):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            break
        inside += character
    inside = re.sub(r"[{} ]", "", inside)
    return len(re.findall(r"[-+*/=<>]", inside[1:]))


def hashes(texts):
    data, bounds = flat(pl.Series(texts, dtype=pl.String))
    folded = [bytes(data[a:b]) for a, b in itertools.pairwise(bounds)]
    return [text.decode() for text in folded], [marks_hash(text) for text in folded]


def kernel_hashes(texts):
    from factory.deduplication.kernels import marks_hash
    from factory.text.kernels import byte_view

    data, bounds = flat(pl.Series(texts, dtype=pl.String))
    data = np.concatenate([data, np.zeros(PADDING, np.uint8)])
    return [int(marks_hash(data, byte_view(data), a, b)) for a, b in itertools.pairwise(bounds)]


PIECES = st.sampled_from(
    ["'", "''", "%", "^", "_", "{", "}", "\\sqrt", "[3]", " ", "a", "ab", "B", "1", "+", "-", "=", "(", ")", "⊂", "≤",
     "′", "“", "∀", "é", "x" * 62, "日"]
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(PIECES, max_size=40).map("".join), min_size=1, max_size=6))
def test_marks_are_those_that_regular_expressions_find(texts):
    folded, found = hashes(texts)
    assert found == kernel_hashes(texts)
    expected = list(map(marks, folded))
    assert [value == 0 for value in found] == [not own for own in expected]
    for i, one in enumerate(expected):
        for j, other in enumerate(expected):
            assert (found[i] == found[j]) == (one == other), (folded[i], folded[j])


def test_deep_nesting_costs_no_more_than_its_length():
    folded, found = hashes(["^{" * 200_000, "x^{" * 3 + "a+b" + "}" * 3])
    assert found[0] == 0
    assert found[1] != 0
    assert len(folded[0]) == 400_000
    assert hashes(["\\sqrt[" * 200_000])[1] == [0] == kernel_hashes(["\\sqrt[" * 200_000])
