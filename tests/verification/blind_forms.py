r"""Families of answers written by rule after the kinds of a list of blind misses, for `answer_forms`.

They were written before the checker was looked at for them: text with an explanation around the asked word, decimals cut
or rounded, exact golds as decimals, functions by their right side, labelled lists, broken LaTeX, ratios, ordinals, sets and
intervals, units in six languages, negated statements, last boxes that are empty or broken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, getcontext

Labelled = tuple[str, str, bool]
"""Gold, whole response, whether they are equal."""
getcontext().prec = 50
WORDS = (
    ("east", "north", "the skater turns a quarter more"), ("Friday", "Tuesday", "7 days later it is the same day"),
    ("Petya", "Vasya", "he can always answer with the mirror move"), ("increasing", "decreasing", "the derivative tells"),
    ("circle", "ellipse", "both axes are 3"), ("Maria", "Anna", "she has 12 points"), ("red", "blue", "5 of 9 are"),
    ("rhombus", "square", "its 4 sides are equal"), ("Uranus", "Mars", "it is 19 times as far"),
)  # fmt: skip
VERDICTS = (("Yes", "No"), ("No", "Yes"), ("True", "False"), ("False", "True"))


def other(draw: random.Random, n: int) -> int:
    return draw.choice([m for m in (n + 1, n - 1, n + 10, 2 * n + 1) if m != n])


def boxed(text: str) -> str:
    return rf"So we get $\boxed{{{text}}}$."


def explained(draw: random.Random) -> Iterator[Labelled]:
    word, wrong, why = draw.choice(WORDS)
    for form in ("{0}, because {1}", "{0} ({1})", "{0}, since {1}", "{0}: {1}", "{0} - {1}", "{0}; {1}", "{0}. {1}", "{0}, as {1}"):  # fmt: skip
        for given, equal in ((word, True), (wrong, False)):
            yield word, boxed(rf"\text{{{form.format(given, why)}}}"), equal
    for form in ("It is {0}.", "The answer is {0}.", "The answer is **{0}**, because {1}.", "**Answer:** {0}", "Answer: {0} ({1})", "Therefore the answer is {0}."):  # fmt: skip
        for given, equal in ((word, True), (wrong, False)):
            yield rf"\text{{{word}}}", f"We look at 3 cases.\n\n{form.format(given, why)}", equal
    for text in (f"{wrong}, not {word}", f"not {word}", f"{word} or {wrong}", f"anything but {word}", f"neither {word} nor {wrong}"):  # fmt: skip
        yield word, boxed(rf"\text{{{text}}}"), False
    yes, no = draw.choice(VERDICTS)
    for form in ("{0}, because {1}", "{0}: {1}", "{0} - {1}", "{0}. {1}", "{0}; {1}", "{0} ({1})"):
        yield yes, boxed(rf"\text{{{form.format(yes, why)}}}"), True
        yield no, boxed(rf"\text{{{form.format(yes, why)}}}"), False


def _places(value: Decimal, places: int, how: str) -> str:
    return str(value.quantize(Decimal(1).scaleb(-places), rounding=how))


def decimals(draw: random.Random) -> Iterator[Labelled]:
    a, b = draw.randint(2, 60), draw.choice([3, 7, 11, 13, 17, 19])
    root, k = draw.choice([2, 3, 5, 6, 7, 10, 11, 13]), draw.randint(2, 9)
    exacts = (
        (rf"\frac{{{a * b + 1}}}{{{b}}}", Decimal(a * b + 1) / b), (rf"{k}\sqrt{{{root}}}", k * Decimal(root).sqrt()),
        (rf"{k}+\sqrt{{{root}}}", k + Decimal(root).sqrt()), (rf"\frac{{{a * b + 2}}}{{{b}}}", Decimal(a * b + 2) / b),
    )  # fmt: skip
    for exact, value in exacts:
        places = draw.choice([2, 3, 4])
        for how in (ROUND_DOWN, ROUND_HALF_EVEN):
            short, long = _places(value, places, how), _places(value, 7, how)
            wrong = _places(value + Decimal(4).scaleb(-places), places, how)
            yield short, boxed(exact), True
            yield short, boxed(long), True
            yield exact, boxed(long), True
            yield exact, boxed(rf"\approx {long}"), True
            yield exact, boxed(rf"{exact} \approx {short}"), True
            yield short, boxed(wrong), False
            yield exact, boxed(wrong), False
            yield exact, boxed(_places(value + Decimal("0.01"), 7, how)), False


def right_sides(draw: random.Random) -> Iterator[Labelled]:
    a, b = draw.sample(range(2, 15), 2)
    bodies = ((f"{a}x+{b}", f"{b}+{a}x", f"{b}x+{a}"), (f"x^2-{a}x", f"x(x-{a})", f"x^2-{b}x"), (rf"\frac{{{a}}}{{x+{b}}}", f"{a}/(x+{b})", rf"\frac{{{b}}}{{x+{a}}}"),
              (f"{a}e^{{{b}x}}", rf"{a}\exp({b}x)", f"{b}e^{{{a}x}}"))  # fmt: skip
    for body, same, wrong in bodies:
        for left in ("f(x)=", "y=", r"f^{-1}(x) = ", "g(x) = ", r"f:x\mapsto ", r"\text{Solution: } y = ", "P(x)=", r"\text{The function is } f(x)="):  # fmt: skip
            yield body, boxed(left + same), True
            yield body, boxed(left + wrong), False
        yield f"f(x)={body}", boxed(same), True
        yield f"y={body}", boxed(f"f(x) = {same}"), True
        yield f"f(x)={body}", boxed(wrong), False
        yield f"f(x)={body}", boxed(rf"f(x)={same} \text{{ for all }} x \in \mathbb{{R}}"), True
        yield f"f(x)={body}", boxed(rf"f(x)={same}, \quad x \in \mathbb{{R}}"), True
        yield f"f(x)={body}", boxed(rf"f(x)={wrong}, \quad x \in \mathbb{{R}}"), False


def labelled_lists(draw: random.Random) -> Iterator[Labelled]:
    a, b, c = draw.sample(range(2, 60), 3)
    forms = (r"\text{{length: }}{0}, \text{{width: }}{1}", "a={0}, b={1}", r"AB = {0}, BC = {1}", "(a) {0} (b) {1}", "1) {0}, 2) {1}", r"x_{{1}}={0} \quad x_{{2}}={1}",
             r"\text{{Tom: }} {0};\ \text{{Ann: }} {1}", r"\text{{Tom has }} {0} \text{{ and Ann has }} {1}", r"x = {0} \text{{ and }} y = {1}", r"\text{{first number }} = {0}, \text{{second number }} = {1}",
             r"{0} \text{{ (small)}}, {1} \text{{ (large)}}", r"m={0},\ n={1}", r"\text{{(i) }}{0}\text{{; (ii) }}{1}", r"P = {0} \text{{ cm}}, A = {1} \text{{ cm}}^2", r"\begin{{cases}} x={0} \\ y={1} \end{{cases}}")  # fmt: skip
    for form in forms:
        yield f"{a}, {b}", boxed(form.format(a, b)), True
        yield f"{a}, {b}", boxed(form.format(a, c)), False
        yield f"{a}, {b}", boxed(form.format(c, b)), False
    for form in ("x={0}, y={1}", r"x={0} \text{{ and }} y={1}", r"\text{{center }}({0},{1})", "M({0},{1})", r"(x,y) = ({0},{1})", r"\langle {0},{1} \rangle", r"\text{{at }} ({0}, {1})"):  # fmt: skip
        yield f"({a},{b})", boxed(form.format(a, b)), True
        yield f"({a},{b})", boxed(form.format(b, a)), False


def broken_latex(draw: random.Random) -> Iterator[Labelled]:
    a, b = draw.sample(range(2, 9), 2)
    n = draw.randint(10, 99)
    half, swapped = rf"\frac{{{a}}}{{{b}}}", rf"\frac{{{b}}}{{{a}}}"
    for text in (rf"\\frac{{{a}}}{{{b}}}", rf"\\dfrac{{{a}}}{{{b}}}", rf"\frac{{{a}}}{{{b}", f"frac{{{a}}}{{{b}}}", f"rac{{{a}}}{{{b}}}", rf"\frac {a}{b}", rf"\frac{a}{{{b}}}",
                 rf"\(\frac{{{a}}}{{{b}}}\)", rf"$$\frac{{{a}}}{{{b}}}$", rf"\left(\frac{{{a}}}{{{b}}}", rf"\displaystyle\frac{{{a}}}{{{b}}}\\", rf"\ \frac{{{a}}}{{{b}}}\,", rf"\text{{$\frac{{{a}}}{{{b}}}$}}", rf"\tfrac{a}{b}"):  # fmt: skip
        yield half, boxed(text), True
        yield swapped, boxed(text), False
    for text in (rf"{n}\text{{ cm", rf"{n}\text{{cm}}.", rf"{n} \mathrm{{cm", rf"{n}\\ \text{{cm}}", rf"{n}\;\text{{cm}}\;", rf"{n}\textrm{{ cm}}", rf"\text{{{n} cm", rf"\text{{{n}", rf"{n}{{cm}}", rf"\mathbf{{{n}}}\text{{cm}}"):  # fmt: skip
        yield str(n), f"So\n\\boxed{{{text}}}", True
        yield str(n + 1), f"So\n\\boxed{{{text}}}", False
    for text, gold, wrong in ((rf"x\leq{n}", rf"x \le {n}", rf"x \ge {n}"), (rf"{a}\leqx\leq{n}", rf"{a} \le x \le {n}", rf"{a} < x < {n}"), (rf"{a}\cdotx", f"{a}x", f"{b}x"), (rf"{a}\pir", rf"{a}\pi r", rf"{b}\pi r"),
                              (rf"{a}\sqrt{b}", rf"{a}\sqrt{{{b}}}", rf"{b}\sqrt{{{a}}}"), (rf"{a}\\sqrt{{{b}}}", rf"{a}\sqrt{{{b}}}", rf"{b}\sqrt{{{a}}}"), (rf"{a}\timesx", f"{a}x", f"{b}x")):  # fmt: skip
        yield gold, boxed(text), True
        yield wrong, boxed(text), False


def ratios(draw: random.Random) -> Iterator[Labelled]:
    a, b = draw.choice([(3, 5), (2, 7), (4, 9), (5, 8), (7, 3), (1, 6), (11, 4)])
    k = draw.randint(2, 9)
    for text in (f"{a}:{b}", f"{a} : {b}", f"{a}∶{b}", rf"{a}\colon {b}", rf"\frac{{{a}}}{{{b}}}", rf"{a}\text{{ to }}{b}", f"{a}/{b}", f"{k * a}:{k * b}", f"AB:BC={a}:{b}", rf"\text{{{a} to {b}}}",
                 rf"\frac{{AB}}{{BC}}=\frac{{{a}}}{{{b}}}", rf"\text{{boys : girls}} = {a}:{b}", f"{a}：{b}", rf"{a}\!:\!{b}"):  # fmt: skip
        yield f"{a}:{b}", boxed(text), True
        yield f"{b}:{a}", boxed(text), False
        yield rf"\frac{{{a}}}{{{b}}}", boxed(text), True
    c = a + b
    for text in (f"{a}:{b}:{c}", f"{k * a}:{k * b}:{k * c}", rf"{a}\text{{ to }}{b}\text{{ to }}{c}"):
        yield f"{a}:{b}:{c}", boxed(text), True
        yield f"{a}:{c}:{b}", boxed(text), False


def suffix(n: int) -> str:
    return "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")


def ordinals(draw: random.Random) -> Iterator[Labelled]:
    n = draw.randint(2, 99)
    s, thing = suffix(n), draw.choice(["floor", "day", "term", "place", "row", "century"])
    texts = (f"{n}{s}", rf"{n}^{{\text{{{s}}}}}", rf"{n}^{{{s}}}", rf"{n}\text{{{s}}}", rf"{n}^\text{{{s}}}", rf"\text{{{n}{s} {thing}}}", rf"{n}\text{{{s} {thing}}}", rf"\text{{the {n}{s} {thing}}}", rf"{n}^{{\text{{{s}}}}} \text{{ {thing}}}",
             rf"\text{{第{n}天}}", rf"\text{{{thing} {n}}}")  # fmt: skip
    for text in texts:
        yield str(n), boxed(text), True
        yield str(other(draw, n)), boxed(text), False
    yield str(n), f"He is on the **{n}{s} {thing}**.", True
    yield str(n + 1), f"He is on the **{n}{s} {thing}**.", False
    yield f"{n}{s}", boxed(str(n)), True
    yield f"{n}{s}", boxed(str(n + 1)), False


def sets(draw: random.Random) -> Iterator[Labelled]:
    a = draw.randint(-9, 9)
    b = a + draw.randint(1, 12)
    for op, low, high in (("<", "(", ")"), (r"\le", "[", "]")):
        gold, near = f"{low}{a},{b}{high}", f"{low}{a},{b + 1}{high}"
        turned = {"(": "]", ")": "[", "[": "[", "]": "]"}
        texts = (f"{a} {op} x {op} {b}", rf"\{{x \mid {a} {op} x {op} {b}\}}", rf"\{{x : {a} {op} x {op} {b}\}}", rf"x \in {low}{a}, {b}{high}", rf"\left{low}{a},{b}\right{high}", f"{turned[low]}{a};{b}{turned[high]}",
                 rf"\{{x \in \mathbb{{R}} : {a} {op} x {op} {b}\}}", rf"x \in \left{low} {a}, {b} \right{high}", f"{{x | {a} {op} x {op} {b}}}", rf"\{{ x | x {'>' if op == '<' else chr(92) + 'ge'} {a}, x {op} {b} \}}",
                 rf"\text{{Domain: }} {gold}", rf"D = {gold}", rf"\text{{the interval }} {gold}", rf"{a} {op} t {op} {b}", rf"x {'>' if op == '<' else chr(92) + 'geq'} {a} \text{{ and }} x {op} {b}")  # fmt: skip
        for text in texts:
            yield gold, boxed(text), True
            yield near, boxed(text), False
        yield rf"\{{x \mid {a} {op} x {op} {b}\}}", boxed(gold), True
    for text in (rf"x<{a} \text{{ or }} x>{b}", rf"(-\infty,{a})\cup({b},\infty)", rf"(-\infty, {a}) \text{{ or }} ({b}, +\infty)", rf"\{{x | x<{a} \text{{ or }} x>{b}\}}", rf"x \in (-\infty, {a}) \cup ({b}, +\infty)", rf"\mathbb{{R}} \setminus [{a},{b}]"):  # fmt: skip
        yield rf"(-\infty,{a})\cup({b},\infty)", boxed(text), True
        yield rf"(-\infty,{a}]\cup[{b},\infty)", boxed(text), False
    three = sorted(draw.sample(range(-20, 20), 3))
    listed = ", ".join(map(str, three))
    for text in (rf"\{{{listed}\}}", f"x = {listed}", rf"x \in \{{{listed}\}}", rf"\left\{{{listed}\right\}}", f"{{{listed}}}", rf"\text{{The set is }} \{{{listed}\}}", rf"S = \{{{listed}\}}"):  # fmt: skip
        yield rf"\{{{listed}\}}", boxed(text), True
        yield rf"\{{{listed}, 77\}}", boxed(text), False


COUNTED = {
    "en": ("balloons", "books", "square inches", "km", "dollars", "red marbles", "pieces of paper"), "zh": ("个苹果", "本书", "千米", "元", "平方米", "只小鸡"),
    "de": ("Äpfel", "Bücher", "Kilometer", "Euro", "Stück"), "fr": ("pommes", "livres", "mètres", "billes rouges"), "es": ("manzanas", "libros", "años", "metros"), "ru": ("яблок", "книг", "рублей", "метров"),
}  # fmt: skip
SENTENCES = {
    "en": "There are {0} {1} left.", "zh": "一共有{0}{1}。", "de": "Es bleiben {0} {1}.", "fr": "Il reste {0} {1}.", "es": "Quedan {0} {1}.", "ru": "Осталось {0} {1}.",
}  # fmt: skip
ANSWERS = {
    "en": "The answer is {0} {1}.", "zh": "答案是{0}{1}。", "de": "Die Antwort ist {0} {1}.", "fr": "La réponse est {0} {1}.", "es": "La respuesta es {0} {1}.", "ru": "Ответ: {0} {1}.",
}  # fmt: skip


def units(draw: random.Random) -> Iterator[Labelled]:
    for tongue, things in COUNTED.items():
        n, thing = draw.randint(2, 4000), draw.choice(things)
        m = other(draw, n)
        for text in (rf"{n}\text{{ {thing}}}", rf"{n} ({thing})", rf"\text{{{n} {thing}}}", rf"{n}\ \text{{({thing})}}", f"{n} {thing}", rf"{n}\,\mathrm{{{thing}}}", rf"{n} \text{{ {thing}}}."):  # fmt: skip
            yield str(n), boxed(text), True
            yield str(m), boxed(text), False
            yield f"{n} ({thing})", boxed(text), True
        yield f"{n} ({thing})", boxed(str(n)), True
        yield f"{n} ({thing})", boxed(str(m)), False
        for sentence in (SENTENCES[tongue], ANSWERS[tongue]):
            yield str(n), sentence.format(n, thing), True
            yield str(m), sentence.format(n, thing), False
    n = draw.randint(2, 99)
    for one, two in (
        ("cm", "km"),
        ("kg", "g"),
        ("hours", "minutes"),
        (r"\%", "km"),
        ("米", "千米"),
        ("元", "角"),
    ):
        yield rf"{n}\text{{ {one}}}" if one != r"\%" else rf"{n}\%", boxed(rf"{n}\text{{ {two}}}"), False


def negated(draw: random.Random) -> Iterator[Labelled]:
    n = draw.randint(2, 900)
    m = other(draw, n)
    for text in ("The answer is not {0}.", "It cannot be {0}.", "The result can't be {0}, so I give up.", "{0} is not the answer.", "It is false that the answer is {0}.", "We conclude that x is not equal to {0}.", "答案不是{0}。", "不可能是{0}。",
                 r"\boxed{{\neq {0}}}", r"\boxed{{\text{{not }}{0}}}", r"$\boxed{{{0}}}$ is not correct.", "The answer is anything but {0}.", "Die Antwort ist nicht {0}.", "La réponse n'est pas {0}.", "I doubt that it is {0}; I do not know the answer.", r"\boxed{{\text{{less than }}{0}}}",
                 r"\boxed{{{0}}}? No, that is wrong.", "So x ≠ {0}.", r"The answer is $\ne {0}$."):  # fmt: skip
        yield str(n), text.format(n), False
    for text in ("The answer is {0}, not {1}.", "It is not {1}; the answer is {0}.", r"$x$ is not {1}, so \boxed{{{0}}}.", "The answer is {0} and not {1}.", "答案是{0}，不是{1}。", r"Not {1} but \boxed{{{0}}}.", "The answer is {0} rather than {1}.", "Die Antwort ist {0}, nicht {1}."):  # fmt: skip
        yield str(n), text.format(n, m), True
        yield str(m), text.format(n, m), False


def last_boxes(draw: random.Random) -> Iterator[Labelled]:
    n = draw.randint(2, 900)
    m = other(draw, n)
    for empty in ("", " ", r"\,", r"\text{}", "?", r"\ldots", r"\quad", "...", r"\text{ }", "~", r"\phantom{0}", r"\_\_\_", "{}", "$$"):  # fmt: skip
        yield str(n), rf"First \boxed{{{n}}}. On reflection: $\boxed{{{empty}}}$", False
    for tail in (r"\boxed{", r"\boxed", r"$\boxed{$", rf"\boxed{{{m}", rf"\boxed{{\frac{{{m}}}{{7}}"):
        yield str(n), rf"First \boxed{{{n}}}. On reflection: {tail}", False
    for text in (rf"\boxed{{{n}", rf"\boxed{n}" if n < 10 else rf"\boxed {{{n}}}", rf"\boxed{{ {n} }}.", rf"\boxed{{{m}}} was wrong; \boxed{{{n}}}", rf"\fbox{{{n}}}", rf"\boxed{{\boxed{{{n}}}}}", rf"\[\boxed{{{n}}}\]", rf"\boxed{{\mathbf{{{n}}}}}"):  # fmt: skip
        yield str(n), f"So the result is {text}", True
        yield str(m), f"So the result is {text}", False


FAMILIES: dict[str, Callable[[random.Random], Iterator[Labelled]]] = {
    "explained words": explained, "decimals and exact values": decimals, "right sides": right_sides, "labelled lists": labelled_lists, "broken LaTeX": broken_latex, "ratios": ratios,
    "ordinals": ordinals, "sets and intervals": sets, "units in six languages": units, "negated statements": negated, "last boxes": last_boxes,
}  # fmt: skip


def families(seed: int, rounds: int) -> Iterator[tuple[str, Labelled]]:
    """Labelled responses by family, the same for a seed whatever the machine."""
    for kind, write in FAMILIES.items():
        draw = random.Random(f"{seed} {kind}")
        for _ in range(rounds):
            yield from ((kind, pair) for pair in write(draw))
