"""Mathematics in the report: what is drawn, what stays as it is, and that no text gets out of its place."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("math_core")

from factory.report.tex import LONGEST, STRETCH, answer, formula, split, typeset

SOURCES = [
    r"$\frac{3}{4}$", r"\(x^2\)", r"\[\int_0^1 f\]", "$$a$$", r"\begin{align*}a&=b\\c&=d\end{align*}", r"\boxed{\frac{1}{2}}",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\[x = 1 \tag{1}\]", r"$5\mbox{ pence} \dotsb$", r"$\operatorname{lcm}(a,b)$",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_formulas_are_drawn(source):
    drawn = typeset(f"so {source} it is")
    assert drawn.startswith("so <math") and drawn.endswith("</math> it is") and drawn.count("<math") == 1


@pytest.mark.parametrize(
    "text",
    [
        "it costs $5 and $10",
        "3*4=12; 2*2=4",
        "a_b",
        r"\frac{1}{2}",
        "$ x $",
        r"\$x\$",
        r"it is in \boxed{}.",
        "$5",
        "~$3 or$4",
    ],
)
def test_what_is_no_formula_stays_as_it_is(text):
    assert "<" not in typeset(text)
    assert typeset(text).unescape() == text


def test_answers_may_be_bare_formulas():
    assert answer(r"\frac{3}{4}").startswith("<math")
    assert answer("x^2").startswith("<math")
    assert answer("3*4") == "3*4"
    assert answer(r"\boxed{B}").startswith("<math")
    assert answer(r"The answer is \boxed{B}.").startswith("The answer is <math")
    assert answer("two words") == "two words"


def test_code_is_shown_as_code_and_holds_no_formula():
    assert typeset("use `$x$` here") == "use <code>$x$</code> here"
    assert (
        typeset("```python\nif a < b:\n    **c**\n```")
        == '<code class="block">if a &lt; b:\n    **c**</code>'
    )
    assert typeset("in one ```python block.") == "in one ```python block."


HOSTILE = [
    r"$\text{<script>alert(1)</script>}$", r"$\href{javascript:alert(1)}{x}$", r"$\htmlClass{x}{y}$", "$<img src=x onerror=alert(1)>$",
    r"$\hspace{99999em}x$", r"$\kern9999cm x$", r"$\rule{9999em}{9999em}$", r"$\def\a{\a\a}\a$", r"$\textcolor{red;position:fixed}{x}$",
    "$" + "{" * 900 + "}" * 900 + "$", "$" + r"\sqrt" * 300 + "1$", "$" + r"\left(" * 200 + r"\right)" * 200 + "$", "$\x00\x1b[31m$",
    "<b>**<i>**</b>", "**\x00**", "\u202e" * 40, "$x\ud800$",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_formulas_stay_text_in_their_place(text):
    drawn = typeset(text)
    assert not re.search(r"<(?!/?(?:m[a-z]+|code|b)\b)", drawn)
    assert "href" not in re.sub(r">[^<]*<", "><", drawn) and "\x1b" not in drawn and "\u202e" not in drawn
    for size in re.findall(r'(?:width|style|size)="[^"]*?(\d[\d.]*)', drawn):
        assert float(size) <= 100


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(
    ["$", "$$", "`", "```\n", r"\(", r"\)", r"\[", r"\]", r"\frac", r"\boxed{", "{", "}", "^", "_", "x", " ", "\n", "<", ">", '"', "&", "**", r"\\",
     r"\begin{cases}", r"\end{cases}", r"\text{", r"\hspace{9em}", r"\color{red}", "\x00", "中", "5"]
), max_size=60).map("".join), st.integers(0, 80))  # fmt: skip
def test_any_text_is_balanced_markup_and_cut_in_no_formula(text, at):
    for drawn in (typeset(text), *split(text, at)):
        opened: list[str] = []
        for close, tag, empty in re.findall(r"<(/?)([a-z]+)[^<>]*?(/?)>", drawn):
            if close:
                assert opened.pop() == tag
            elif not empty:
                opened.append(tag)
        assert opened == []
    first, rest = split(text, at)
    assert (first + rest).count("<math") == typeset(text).count("<math")


@pytest.mark.parametrize(
    "text",
    [
        "$" * 6000,
        "```\n" * 1500,
        "`a" * 3000,
        r"\[" * 3000,
        r"\boxed{{{{" * 600,
        r"\begin{align}" * 450,
        "$a$" * 2000,
        "**a" * 2000,
        r"$\sqrt" * 1000,
    ],
)
def test_no_text_takes_long(text):
    began = time.perf_counter()
    typeset(text)
    assert time.perf_counter() - began < 1.0


def test_a_long_text_is_cut_at_a_space_or_where_none_is_near():
    first, rest = split("word " * 100, 12)
    assert (first, rest[:5]) == ("word word word", " word")
    assert [len(half) for half in split("中" * 100, 30)] == [30, 70]


def test_too_long_a_formula_stays_its_source():
    assert formula("x+" * LONGEST) is None
    assert STRETCH.search("$" + "x" * 3000 + "$") is None


def test_without_the_library_formulas_stay_their_source(monkeypatch):
    monkeypatch.setattr("factory.report.tex._reader", lambda: None)
    assert typeset("so $x^2$") == 'so <code class="tex">$x^2$</code>'
