"""A generator of labelled answer pairs: from a gold it writes equal and unequal forms by rule.

    python -m tests.verification.answer_forms SEED [ROUNDS]     counts and misses per kind of form

Every rule knows why its forms are equal or not, so a seed that nobody used before is a blind test of the kinds that
stand here; it says nothing about kinds that do not.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from tests.verification.blind_forms import families


def _list(text: str) -> list[str]:
    return text.split(" ")


COUNTERS = {
    "en": _list("apples books cm km kg hours minutes degrees dollars points meters units feet litres mph"),
    "zh": _list("个 本 元 米 千克 只 人 张 辆 棵 岁 天 小时 平方厘米 千米 块 箱 名"),
    "ja": _list("円 個 人 冊 本 匹 枚 分 時間 歳"), "ko": _list("개 명 원 권 마리 시간"),
    "de": _list("Euro Stunden Äpfel Meter Tage Stück Grad"), "fr": _list("euros heures pommes mètres jours"),
    "es": _list("euros horas manzanas metros días personas"), "ru": _list("рублей часов яблок метров дней"),
}  # fmt: skip
SYMBOLS = (
    "m",
    "L",
    "J",
    "N",
    "W",
    "V",
    "K",
    "s",
    "h",
    "g",
    "A",
    "Pa",
    "Hz",
    "kJ",
    "mol",
    "m/s",
    "km/h",
    "cm^2",
    "m^3",
)
WORDS = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
TENS = {
    20: "twenty",
    30: "thirty",
    40: "forty",
    50: "fifty",
    60: "sixty",
    70: "seventy",
    80: "eighty",
    90: "ninety",
}
COLOURS = (r"\color{red}{%s}", r"\textcolor{blue}{%s}", r"\colorbox{yellow}{%s}", r"{\color{green}%s}", r"\bbox[5px]{%s}",
           r"\fcolorbox{red}{white}{%s}", r"\mathbf{%s}", r"\boldsymbol{%s}", r"\displaystyle %s", r"\large %s", r"\underline{%s}")  # fmt: skip
NAMES = ("Alice", "Petya", "the red team", "Maria", "Monday", "triangle", "the last player", "Vasya", "blue")


@dataclass(frozen=True)
class Pair:
    """A gold, a response, whether they are equal, and the rule that says so."""

    gold: str
    response: str
    equal: bool
    kind: str


Forms = Iterator[tuple[str, str, bool]]
"""Gold, answer as it stands in a box, whether they are equal."""


def whole(draw: random.Random) -> int:
    return draw.choice([draw.randint(2, 99), draw.randint(100, 999), draw.randint(2, 12)])


def other(draw: random.Random, n: int) -> int:
    return draw.choice([m for m in (n + 1, n - 1, n + 10, 2 * n, -n, n * 10) if m != n])


def units(draw: random.Random) -> Forms:
    n = whole(draw)
    m = other(draw, n)
    unit = draw.choice(COUNTERS[draw.choice(list(COUNTERS))])
    for text in (
        f"{n}{unit}" if not unit.isascii() else f"{n} {unit}",
        rf"{n}\text{{ {unit}}}",
        rf"{n}\,\text{{{unit}}}",
    ):
        yield str(n), text, True
        yield str(m), text, False
    yield rf"{n}\text{{ {unit}}}", str(n), True


def symbols(draw: random.Random) -> Forms:
    n = whole(draw)
    m, unit = other(draw, n), draw.choice(SYMBOLS)
    for text in (f"{n} {unit}", rf"{n}\,\mathrm{{{unit}}}", rf"{n}\ \text{{{unit}}}"):
        yield str(n), text, True
        yield str(m), text, False
    degrees = draw.choice(
        [rf"{n}°C", rf"{n}^\circ\text{{C}}", rf"{n}^{{\circ}}\mathrm{{F}}", rf"{n}°", rf"{n}\text{{ °C}}"]
    )
    yield str(n), degrees, True
    yield str(m), degrees, False


def scientific(draw: random.Random) -> Forms:
    digit, power = draw.randint(1, 9), draw.randint(3, 22)
    gold, sign = f"{digit}e+{power:02d}", draw.choice([r"\times", r"\cdot"])
    for text in (
        rf"{digit} {sign} 10^{{{power}}}",
        f"{digit}e{power}",
        f"{digit}E{power}",
        f"{digit}*10^{power}" if power < 10 else f"{digit}*10^{{{power}}}",
    ):
        yield gold, text, True
        yield f"{digit}e-{power:02d}", text, False
        yield f"{digit}e+{power + 1:02d}", text, False
    yield f"1e-{power:02d}", rf"10^{{-{power}}}", True
    yield f"1e+{power:02d}", rf"10^{{{power}}}", True
    yield rf"{digit}.5 \times 10^{{{power}}}", str(Fraction(2 * digit + 1, 2) * 10**power), True


def functions(draw: random.Random) -> Forms:
    a, b = draw.sample(range(2, 9), 2)
    for plain, latex in (
        (f"sin(x)*{a}", rf"{a}\sin x"), (f"sqrt({a})", rf"\sqrt{{{a}}}"), (f"ln(x)/{a}", rf"\frac{{\ln x}}{{{a}}}"),
        (f"{a}*pi/{b}", rf"\frac{{{a}\pi}}{{{b}}}"), (f"exp({a}*x)", rf"e^{{{a}x}}"), (f"atan({a})", rf"\arctan {a}"),
        (f"asin(1/{a})", rf"\sin^{{-1}}\frac1{a}"), ("infinity", r"\infty"), ("-inf", r"-\infty"), ("tan(x)", r"\frac{\sin x}{\cos x}"),
        (f"x^{a}*y", rf"yx^{{{a}}}"), ("xy", "yx"), (f"c1*x+{a}*c2", rf"c_1x+{a}c_2"), (f"log({a})/log(10)", rf"\log_{{10}} {a}"),
        (f"cbrt({a})", rf"\sqrt[3]{{{a}}}"), (f"abs(x-{a})", rf"|x-{a}|"), (f"asinh({a})", rf"\ln({a}+\sqrt{{{a * a + 1}}})"),
    ):  # fmt: skip
        yield plain, latex, True
        yield plain, latex + f"+{a}", False


def qualifiers(draw: random.Random) -> Forms:
    a, b = draw.sample(range(2, 9), 2)
    for tail in (r" \text{ where } k\ge 1", r" \text{ for any positive integer } k", r"\quad(k\ge 1)", r", \quad k \in \mathbb{N}",
                 r" \text{ for } k = 1, 2, 3, \ldots", r" \text{ with } k \in \mathbb{Z}", r" \text{ for all } k \geq 0", r",\ k\in\mathbb{Z}"):  # fmt: skip
        yield f"{a}k+{b}", f"{a}k+{b}{tail}", True
        yield f"{a}k+{b}", f"n={a}k+{b}{tail}", True
        yield f"{a}k+{b}", f"{b}k+{a}{tail}", False
    yield f"{a}k", f"{a}k, k > 5", False
    for tail in (
        r" \text{ (approximately)}",
        r" \text{ exactly}",
        r" \text{ approx.}",
        r"\text{ or so}",
        r" \text{ in total}",
    ):
        yield str(a), f"{a}{tail}", True
        yield str(b), f"{a}{tail}", False


def intervals(draw: random.Random) -> Forms:
    a, b = sorted(draw.sample(range(-9, 20), 2))
    left, right = draw.choice("[("), draw.choice("])")
    french = ("[" if left == "[" else "]", "]" if right == "]" else "[")
    gold = f"{left}{a},{b}{right}"
    low, high = (r"\le" if left == "[" else "<"), (r"\le" if right == "]" else "<")
    forms = [f"{french[0]}{a};{b}{french[1]}", f"{french[0]}{a},{b}{french[1]}", f"{a} {low} x {high} {b}",
             rf"\{{x \mid {a} {low} x {high} {b}\}}", rf"\{{x \in \mathbb{{R}} : {a} {low} x {high} {b}\}}",
             rf"x \in {left}{a}, {b}{right}", rf"\left{left}{a}, {b}\right{right}"]  # fmt: skip
    flipped = {"[": "(", "(": "["}[left]
    for text in forms:
        yield gold, text, True
        yield f"{flipped}{a},{b}{right}", text, False
        yield f"{left}{a},{b + 1}{right}", text, False
    rays = [(rf"({a},\infty)", rf"]{a};+\infty["), (rf"({a},\infty)", f"x > {a}"), (rf"(-\infty,{a}]", rf"]-\infty;{a}]"),
            (rf"(-\infty,{a}]", rf"x \leq {a}"), (rf"[{a},\infty)", rf"\{{x : x \ge {a}\}}"),
            (rf"(-\infty,{a})\cup({a},\infty)", rf"\text{{all real numbers except }} {a}"),
            (rf"(-\infty,{a})\cup({a},\infty)", rf"\mathbb{{R}} \setminus \{{{a}\}}"),
            (rf"(-\infty,{a})\cup({a},\infty)", rf"x \neq {a}")]  # fmt: skip
    for gold, text in rays:
        yield gold, text, True
        yield gold.replace(str(a), str(a + 1)), text, False


def mixed(draw: random.Random) -> Forms:
    bottom = draw.randint(2, 12)
    top, n = draw.randint(1, bottom - 1), draw.randint(1, 30)
    value = n + Fraction(top, bottom)
    improper = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    yield f"({top}/{bottom})", rf"({top}/{bottom})\text{{个}}", True
    for text in (f"{n} {top}/{bottom}", rf"{n}\frac{{{top}}}{{{bottom}}}", rf"{n} \frac{top}{bottom}" if max(top, bottom) < 10 else rf"{n}\tfrac{{{top}}}{{{bottom}}}",
                 f"{n}({top}/{bottom})", rf"{n}\text{{ and }}\frac{{{top}}}{{{bottom}}}", f"{n}+{top}/{bottom}"):  # fmt: skip
        yield improper, text, True
        yield rf"\frac{{{value.numerator + 1}}}{{{value.denominator}}}", text, False
    yield f"{n}({top}/{bottom})", rf"{n}\frac{{{top}}}{{{bottom}}}", True
    yield f"{n}({top}/{bottom})", improper, True
    if value.denominator > 1:
        yield f"{n}({top}/{bottom})", rf"\frac{{{n * top}}}{{{bottom}}}", False


def spelled(n: int) -> str:
    if n <= 20:
        return WORDS[n]
    if n < 100:
        return TENS[n // 10 * 10] + (f"-{WORDS[n % 10]}" if n % 10 else "")
    return f"{WORDS[n // 100]} hundred" + (f" and {spelled(n % 100)}" if n % 100 else "")


def number_words(draw: random.Random) -> Forms:
    n = draw.choice([draw.randint(0, 20), draw.randint(21, 99), draw.randint(100, 999)])
    m = (n + 1) % 1000
    for form in (spelled(n), spelled(n).capitalize(), rf"\text{{{spelled(n)}}}", rf"\mbox{{{spelled(n)}}}"):
        yield str(n), form, True
        yield form, str(n), True
        yield form, str(m), False
        yield str(m), form, False
    if n > 0:
        suffix = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        for form in (f"{n}{suffix}", rf"{n}^{{\text{{{suffix}}}}}", rf"{n}\text{{{suffix}}}"):
            yield str(n), form, True
            yield str(m), form, False


def money(draw: random.Random) -> Forms:
    n = draw.randint(1, 99)
    cents = draw.randint(1, 99)
    for text in (rf"\${n}", f"${n}.00", f"{n} dollars", rf"\text{{\${n}}}", f"{n} USD", f"US${n}"):
        yield str(n), text, True
        yield str(n + 1), text, False
        yield rf"\${n}", text, True
    for text in (f"{cents} cents", f"{cents}¢", rf"{cents}\text{{ cents}}"):
        yield rf"\${cents / 100:.2f}", text, True
        yield rf"\${cents}", text, False
        yield str(cents), text, True
    yield f"{n}%", rf"{n}\%", True
    yield f"{n}%", f"{n} percent", True
    yield rf"{n}\%", str(n), True
    yield rf"{n}\%", rf"{n + 1}\%", False
    yield rf"{n}\%", rf"{n}0\%", False
    yield rf"{n}\%", rf"\${n}", False


def decimals(draw: random.Random) -> Forms:
    places = draw.randint(2, 4)
    value = Fraction(draw.randint(1000, 99999), draw.choice([7, 11, 13, 17, 19, 23, 29]))
    if value.denominator == 1:
        return
    scale = 10**places
    cut, rounded = value * scale // 1, round(value * scale)
    show = lambda n: f"{n // scale}.{n % scale:0{places}d}"  # noqa: E731
    exact = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    long = f"{float(value):.9f}"
    for gold in {show(int(cut)), show(int(rounded))}:
        yield gold, exact, True
        yield gold, long, True
        yield gold, rf"\approx {gold}", True
        yield gold, show(int(rounded) + 3), False
        yield gold, show(int(cut) * 10), False
    yield exact, f"{float(value + Fraction(1, 100)):.9f}", False
    yield exact, str(int(value)), False
    n = draw.randint(1000, 9_999_999)
    for text in (
        f"{n:,}",
        f"{n:_}",
        f"{n:,}".replace(",", r"{,}"),
        f"{n:,}".replace(",", r"\,"),
        f"{n:,}".replace(",", " "),
        f"{n:,}".replace(",", r",\!"),
    ):
        yield str(n), text, True
        yield str(n + 1), text, False
    yield "0.30000000000000004", "0.3", True
    yield f"{n / 10}", f"{n / 10}".replace(".", "{,}"), True


def lists(draw: random.Random) -> Forms:
    a, b, c = draw.sample(range(2, 40), 3)
    for text in (f"{a},{b}", rf"{a}\text{{ and }}{b}", rf"{b}, {a}", rf"\{{{a}, {b}\}}", rf"x={a} \text{{ or }} x={b}", rf"x_1={a},\ x_2={b}",
                 f"{a}; {b}", rf"x\in\{{{a},{b}\}}", f"[{a}, {b}]"):  # fmt: skip
        yield f"{a}, {b}", text, True
        yield f"{a}, {c}", text, False
        yield f"{a}, {b}, {c}", text, False
        yield str(a), text, False
    yield f"({a},{b})", f"(x,y)=({a},{b})", True
    yield f"({a},{b})", f"x={a}, y={b}", True
    yield f"({a},{b})", f"x={b}, y={a}", False
    yield f"({a},{b})", f"({b},{a})", False
    yield f"({a},{b},{c})", rf"\left({a}, {b}, {c}\right)", True
    yield f"({a},{b},{c})", f"({a},{c},{b})", False
    yield f"a={a}, b={b}", f"b={b}, a={a}", True
    yield f"a={a}, b={b}", f"a={b}, b={a}", False
    yield f"x1={a}, x2={b}", rf"x_1={a},\ x_2={b}", True
    for text in (f"(a) {a}, (b) {b}", rf"\text{{(i) }}{a}, \text{{(ii) }}{b}", rf"(1)\ {a}; (2)\ {b}", rf"A={a}, B={b}", rf"\text{{first: }} {a}, \text{{second: }} {b}",
                 rf"\text{{Part 1: }} {a}; \text{{Part 2: }} {b}", rf"m = {a} \text{{ and }} n = {b}", rf"{a} \text{{ cm}}, {b} \text{{ cm}}", rf"{a}\text{{ red}}, {b}\text{{ blue}}"):  # fmt: skip
        yield f"{a}, {b}", text, True
        yield f"{a}, {c}", text, False
        yield f"{c}, {b}", text, False
    yield f"{a}, {b}", rf"\text{{Alice: }}{a}, \text{{Bob: }}{b}", True
    yield f"{a}, {b}", rf"\text{{Alice: }}{a}, \text{{Bob: }}{c}", False


def relations(draw: random.Random) -> Forms:
    a, b = draw.sample(range(2, 20), 2)
    for name in (
        "x",
        "n",
        "m+n",
        "f(2)",
        r"\angle ABC",
        "S_{10}",
        "P(A)",
        "AB",
        r"\text{Area}",
        r"|AB|",
        "a+b",
    ):
        yield str(a), f"{name}={a}", True
        yield str(b), f"{name}={a}", False
    for name in (
        "f'(x)",
        "f^{-1}(x)",
        r"\frac{dy}{dx}",
        "a_n",
        "T(x)",
        r"(f \circ g)(x)",
        "y",
        "g(x)",
        "h'(x)",
    ):
        yield f"{a}x+{b}", f"{name}={a}x+{b}", True
        yield f"{name}={a}x+{b}", f"{a}x+{b}", True
        yield f"{name}={a}x+{b}", f"{b}x+{a}", False
    for name in (
        r"\sin\theta",
        r"\tan A",
        "E(X)",
        r"\vec{a}\cdot\vec{b}",
        "V_{max}",
        r"\lim_{x\to 0} f(x)",
        r"\angle A",
        r"\text{Area of } ABC",
        "|z|",
        r"\triangle ABC",
    ):
        yield rf"\frac{{{a}}}{{{b}}}", rf"{name} = \frac{{{a}}}{{{b}}}", True
        yield rf"{name} = \frac{{{a}}}{{{b}}}", rf"\frac{{{a}}}{{{b}}}", True
        yield rf"\frac{{{b}}}{{{a}}}", rf"{name} = \frac{{{a}}}{{{b}}}", False
    yield f"{a}x+{b}", f"y={a}x+{b}", True
    yield f"y={a}x+{b}", f"{a}x+{b}", True
    yield f"f(x)={a}x+{b}", f"{a}x+{b}", True
    yield f"{a}x+{b}", f"f(x)={a}x+{b}", True
    yield f"y={a}x+{b}", f"{a}x-y+{b}=0", True
    yield f"y={a}x+{b}", f"{b}x+{a}", False
    yield f"f(x)={a}x+{b}", f"f(x)={a}x-{b}", False
    yield f"{a}:{b}", rf"\frac{{{a}}}{{{b}}}", True
    yield f"{a}:{b}", rf"{a} \text{{ to }} {b}", True
    yield rf"\frac{{{a}}}{{{b}}}", f"{a} out of {b}", True
    yield f"{a}:{b}", f"{b}:{a}", False
    yield f"{a}:{b}", rf"{b} \text{{ to }} {a}", False
    yield str(a), rf"\frac{{{2 * a}}}{{2}} = {a}", True
    yield str(b), rf"\frac{{{2 * a}}}{{2}} = {a}", False


def latex(draw: random.Random) -> Forms:
    a, b = draw.sample(range(2, 9), 2)
    for text in (rf"\\frac{{{a}}}{{{b}}}", rf"\dfrac {a} {b}", rf"\frac{a}{b}", rf"\frac{{{a}}}{{{b}", f"frac{{{a}}}{{{b}}}", rf"\cfrac{{{a}}}{{{b}}}",
                 rf"{{{a} \over {b}}}", rf"\left(\frac{{{a}}}{{{b}}}\right)", rf"$\frac{{{a}}}{{{b}}}$", rf"\frac{{{a}}}{{{b}}}.", f"\x0crac{{{a}}}{{{b}}}",
                 draw.choice(COLOURS) % rf"\frac{{{a}}}{{{b}}}"):  # fmt: skip
        yield rf"\frac{{{a}}}{{{b}}}", text, True
        yield rf"\frac{{{b}}}{{{a}}}", text, False
    yield rf"{a}\sqrt{{{b}}}", rf"{a}\sqrt {b}", True
    yield rf"{a}\sqrt{{{b}}}", rf"{a}\sqrt{{{b}", True
    yield rf"{a}\sqrt{{{b}}}", rf"{a}√{b}", True
    yield f"({a},{b})", rf"\left({a},{b})", True
    yield f"({a},{b})", rf"({a},{b}\right)", True
    yield f"x<{a}", f"x &lt; {a}", True
    yield f"x^2+{a}", f"x<sup>2</sup>+{a}", True
    yield rf"{a}\pi", f"{a}π", True
    yield rf"{a}\pi", rf"\displaystyle {a}\,\pi\\", True
    yield f"{a}^{{{b}}}", f"{a}**{b}", True
    yield rf"{a}\sqrt{{{b}}}", rf"{a}\\sqrt{{{b}}}", True
    yield rf"{a}\sqrt{{{b}}}", rf"{b}\sqrt{{{a}}}", False


def text_answers(draw: random.Random) -> Forms:
    name, wrong = draw.sample(NAMES, 2)
    plain, bad = name.removeprefix("the "), wrong.removeprefix("the ")
    for text in (
        name,
        rf"\text{{{name}}}",
        plain.upper(),
        rf"\textbf{{{plain}}}",
        f"The {plain}",
        f'"{name}"',
    ):
        yield name, text, True
        yield wrong, text, False
    yield rf"\text{{{name}}}", rf"\text{{{name} wins}}", True
    yield rf"\text{{{wrong}}}", rf"\text{{{name} wins}}", False
    for text in (
        f"{name} will receive the last token",
        f"{name} has a winning strategy",
        f"The winner is {name}",
        f"It is {name}",
    ):
        yield name, rf"\text{{{text}}}", True
        yield wrong, rf"\text{{{text}}}", False
    for text in (
        f"{name} loses",
        f"{name} and {wrong}",
        f"{name} does not win",
        f"either {name} or {wrong}",
        f"anyone but {name}",
        f"{name} cannot win",
    ):
        yield name, rf"\text{{{text}}}", False
    for word, opposite in (("Yes", "No"), ("No", "Yes"), ("True", "False")):
        yield word, rf"\text{{{word}, because it is larger}}", True
        yield opposite, rf"\text{{{word}, because it is larger}}", False
        yield word, rf"\text{{{word} or {opposite.lower()}}}", False
    yield name, rf"\text{{not {name}}}", False
    yield name, rf"\text{{{name} or {wrong}}}", False
    assert plain != bad


KINDS: dict[str, Callable[[random.Random], Forms]] = {
    "units and counters": units, "unit symbols": symbols, "e-notation": scientific, "plain functions": functions,
    "qualifiers": qualifiers, "intervals": intervals, "mixed numbers": mixed, "number words": number_words,
    "money and percent": money, "decimals": decimals, "lists": lists, "relations": relations, "LaTeX": latex, "text": text_answers,
}  # fmt: skip
LEADS = (
    "",
    "Adding it all up gives the result.\n\n",
    "Step 1: we look at 3 cases.\nStep 2: each gives the same.\n",
)


def negated(draw: random.Random) -> Iterator[Pair]:
    """Responses whose wording decides: what they deny, take back or leave open is not their answer."""
    n = whole(draw)
    m = other(draw, n)
    for text in (f"The answer is not {n}.", f"So the answer is definitely not {n}.", f"The answer cannot be {n}.", f"The answer is {n}? No.",
                 rf"\boxed{{{n}}} is wrong, there is no solution.", rf"\boxed{{{n}?}}", f"The answer can't be {n}.", f"It is not {n}.",
                 rf"First \boxed{{{n}}}. On reflection that fails: \boxed{{}}", rf"First \boxed{{{n}}}. Then \boxed{{...}}",
                 rf"So \boxed{{{n}}}. Wait, that is incorrect.", rf"\boxed{{\text{{not }} {n}}}", f"The answer isn't {n}.",
                 f"The answer would be {n}, but that is wrong.", rf"\boxed{{{n} \text{{ or }} {m}}}", f"#### {n}\nno wait\n####",
                 rf"It is \boxed{{{n}}}. No, it is \boxed{{{m}}}.", rf"\boxed{{\ne {n}}}", f"The answer is not {n} but {m}.", f"答案不是{n}。",
                 f"The answer is less than {n}.", f"The answer is more than {n}.", rf"It was said that \boxed{{{n}}} but this is false."):  # fmt: skip
        yield Pair(str(n), text, False, "negations")
    for text in (f"The answer is {n}, not {m}.", f"It is not {m}. The answer is {n}.", rf"It is not {m}, so \boxed{{{n}}}.", rf"No, wait. \boxed{{{n}}}",
                 f"The answer is {n}.", f"**Answer:** {n}", f"答：一共是{n}个。", f"所以答案是{n}。", f"故答案为：{n}", f"综上，答案为 ${n}$。", rf"\[ \boxed{{{n}}} \]",
                 rf"\framebox[2cm]{{${n}$}}", rf"\fbox{{{n}}}", rf"So $\colorbox{{yellow}}{{{n}}}$", f"#### {n}", f"<answer>{n}</answer>", rf"First \boxed{{{m}}}, but corrected \boxed{{{n}}}."):  # fmt: skip
        yield Pair(str(n), text, True, "statements")
        yield Pair(str(n + 1000), text, False, "statements")


def pairs(seed: int, rounds: int = 20) -> Iterator[Pair]:
    """Labelled pairs, the same for a seed whatever the machine."""
    for kind, forms in KINDS.items():
        draw = random.Random(f"{seed} {kind}")
        for _ in range(rounds):
            for gold, answer, equal in forms(draw):
                yield Pair(gold, f"{draw.choice(LEADS)}\\boxed{{{answer}}}", equal, kind)
    draw = random.Random(f"{seed} negations")
    for _ in range(rounds):
        yield from negated(draw)
    for kind, (gold, response, equal) in families(seed, rounds):
        yield Pair(gold, response, equal, kind)


def main() -> None:
    from factory.config.verify import VerifySection
    from factory.verification import CheckRequest, Verifier

    found = list(pairs(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20))
    with Verifier(VerifySection(workers=2)) as verifier:
        results = verifier.check_many([CheckRequest(p.response, p.gold) for p in found])
    kinds: dict[str, Counter[str]] = {}
    shown: Counter[str] = Counter()
    for pair, result in zip(found, results, strict=True):
        outcome = (
            ("right" if pair.equal else "FALSE")
            if result.correct
            else ("missed" if pair.equal else "refused")
        )
        kinds.setdefault(pair.kind, Counter())[outcome] += 1
        if outcome in ("FALSE", "missed") and shown[outcome + pair.kind] < int(
            sys.argv[3] if len(sys.argv) > 3 else 0
        ):
            shown[outcome + pair.kind] += 1
            sys.stdout.write(
                f"{outcome} {pair.kind} | {pair.gold!r} | {pair.response[-90:]!r} | {result.verdict} {result.method} {result.extracted!r} {result.reason}\n"
            )
    total: Counter[str] = sum(kinds.values(), Counter())
    for kind, counts in [*kinds.items(), ("all", total)]:
        recall = counts["right"] / max(1, counts["right"] + counts["missed"])
        precision = counts["right"] / max(1, counts["right"] + counts["FALSE"])
        sys.stdout.write(
            f"{kind:20} {sum(counts.values()):6}  recall {recall:.4f}  precision {precision:.4f}  false {counts['FALSE']}\n"
        )


if __name__ == "__main__":
    main()
