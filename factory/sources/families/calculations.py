"""Small calculations of science and puzzles, each with the results of typical mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from factory.sources.families.facts import facts
from schemas import Level

Values = Mapping[str, Any]
Way = tuple[str, Callable[[Values], Any]]
"""A rule as text with the values in it, and what it computes."""

MIDDLE, HIGH = Level.MIDDLE, Level.HIGH_SCHOOL


@dataclass(frozen=True, slots=True)
class Calculation:
    """A question with values drawn from lists; the first way is right, the others are mistakes."""

    domain: str
    level: Level
    ask: str
    values: dict[str, Sequence[Any] | str]
    """What each name is drawn from: a list, or `TABLE.COLUMN` of `facts.json`."""
    ways: tuple[Way, ...]
    unit: str = "{}"

    def show(self, value: Any) -> str:
        """A result as an option: whole numbers as they are, others with four digits, with the unit."""
        if isinstance(value, Fraction | float):
            value = int(value) if value == int(value) else f"{float(value):.4g}"
        return self.unit.format(value)


def atoms(formula: str) -> dict[str, int]:
    """How many atoms of each element one formula unit holds; one level of brackets."""
    counts: dict[str, int] = {}
    for symbol, number, group, times in re.findall(r"([A-Z][a-z]?)(\d*)|\(([^)]*)\)(\d*)", formula):
        inner = atoms(group) if group else {symbol: int(number or 1)}
        for name, count in inner.items():
            counts[name] = counts.get(name, 0) + count * int(times or 1)
    return counts


def molar_mass(formula: str, count: Callable[[int], int] = lambda n: n) -> float:
    """Molar mass in g/mol; `count` changes the numbers of atoms."""
    mass = {row["symbol"]: float(row["mass"]) for row in facts()[0]["elements"]}
    return round(sum(mass[name] * count(number) for name, number in atoms(formula).items()), 2)


def _bases(strand: str, pairs: str) -> str:
    return strand.translate(str.maketrans("ATGC", pairs))


def _shuffled(letters: str, count: int) -> tuple[str, ...]:
    """Different strands of length `count`, made by a linear congruence: no generator, always the same."""
    numbers = reduce(lambda seen, _: [*seen, (seen[-1] * 1103515245 + 12345) % 2**31], range(60), [7])
    return tuple("".join(letters[(n >> (8 + 2 * i)) % 4] for i in range(count)) for n in numbers)


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _day(shift: Callable[[int], int]) -> Callable[[Values], str]:
    return lambda v: DAYS[(DAYS.index(v["day"]) + shift(v["n"])) % 7]


CALCULATIONS = (
    Calculation("physics", MIDDLE, "A force gives a body of mass {m} kg an acceleration of {a} m/s². How large is it?",
        {"m": range(2, 40), "a": range(2, 15)},
        (("F = m · a = {m} · {a}", lambda v: v["m"] * v["a"]), ("F = m + a = {m} + {a}", lambda v: v["m"] + v["a"]),
         ("F = m / a = {m} / {a}", lambda v: Fraction(v["m"], v["a"])),
         ("F = m · a² = {m} · {a}²", lambda v: v["m"] * v["a"] ** 2),
         ("F = m · a / 2 = {m} · {a} / 2", lambda v: Fraction(v["m"] * v["a"], 2))), "{} N"),
    Calculation("physics", HIGH, "What is the kinetic energy of a body of mass {m} kg that moves at {v} m/s?",
        {"m": range(2, 40), "v": range(3, 20)},
        (("E = m v² / 2 = {m} · {v}² / 2", lambda v: Fraction(v["m"] * v["v"] ** 2, 2)),
         ("E = m v² = {m} · {v}²", lambda v: v["m"] * v["v"] ** 2), ("E = m v = {m} · {v}", lambda v: v["m"] * v["v"]),
         ("E = m v / 2 = {m} · {v} / 2", lambda v: Fraction(v["m"] * v["v"], 2)),
         ("E = 2 m v² = 2 · {m} · {v}²", lambda v: 2 * v["m"] * v["v"] ** 2)), "{} J"),
    Calculation("physics", MIDDLE, "A resistor of {r} ohm carries a current of {i} A. What is the voltage across it?",
        {"r": range(3, 60), "i": range(2, 12)},
        (("U = R · I = {r} · {i}", lambda v: v["r"] * v["i"]), ("U = R / I = {r} / {i}", lambda v: Fraction(v["r"], v["i"])),
         ("U = R + I = {r} + {i}", lambda v: v["r"] + v["i"]), ("U = R · I² = {r} · {i}²", lambda v: v["r"] * v["i"] ** 2),
         ("U = I / R = {i} / {r}", lambda v: Fraction(v["i"], v["r"]))), "{} V"),
    Calculation("physics", HIGH, "Two resistors of {a} ohm and {b} ohm are connected in parallel. What is their total resistance?",
        {"a": (3, 6, 10, 12, 20, 30), "b": (4, 5, 8, 15, 24, 60)},
        (("R = a b / (a + b) = {a} · {b} / ({a} + {b})", lambda v: Fraction(v["a"] * v["b"], v["a"] + v["b"])),
         ("R = a + b = {a} + {b}", lambda v: v["a"] + v["b"]), ("R = (a + b) / 2 = ({a} + {b}) / 2", lambda v: Fraction(v["a"] + v["b"], 2)),
         ("R = 1 / a + 1 / b", lambda v: Fraction(v["a"] + v["b"], v["a"] * v["b"])),
         ("R = a b = {a} · {b}", lambda v: v["a"] * v["b"])), "{} ohm"),
    Calculation("physics", HIGH, "A wave has a frequency of {f} Hz and a wavelength of {l} m. How fast does it travel?",
        {"f": range(20, 400, 10), "l": (2, 3, 4, 5, 8)},
        (("v = f · λ = {f} · {l}", lambda v: v["f"] * v["l"]), ("v = f / λ = {f} / {l}", lambda v: Fraction(v["f"], v["l"])),
         ("v = λ / f = {l} / {f}", lambda v: Fraction(v["l"], v["f"])), ("v = f · λ / 2", lambda v: Fraction(v["f"] * v["l"], 2)),
         ("v = f + λ = {f} + {l}", lambda v: v["f"] + v["l"])), "{} m/s"),
    Calculation("physics", MIDDLE, "A block of {m} g has a volume of {v} cm³. What is its density?",
        {"m": range(30, 900, 15), "v": (10, 20, 25, 40, 50)},
        (("ρ = m / V = {m} / {v}", lambda v: Fraction(v["m"], v["v"])), ("ρ = V / m = {v} / {m}", lambda v: Fraction(v["v"], v["m"])),
         ("ρ = m · V = {m} · {v}", lambda v: v["m"] * v["v"]), ("ρ = m - V = {m} - {v}", lambda v: v["m"] - v["v"])), "{} g/cm³"),
    Calculation("chemistry", HIGH, "What is the molar mass of {f}, to four digits?", {"f": "compounds.formula"},
        (("Adding the atomic masses of all atoms in {f}", lambda v: molar_mass(v["f"])),
         ("Adding every element of {f} once", lambda v: molar_mass(v["f"], lambda n: 1)),
         ("Adding one atom too many of each element of {f}", lambda v: molar_mass(v["f"], lambda n: n + 1)),
         ("Counting every atom of {f} twice", lambda v: molar_mass(v["f"], lambda n: 2 * n)),
         ("Leaving one atom of each element of {f} out", lambda v: molar_mass(v["f"], lambda n: n - 1))),
        "{} g/mol"),
    Calculation("chemistry", MIDDLE, "How many atoms do {n} formula units of {f} hold in all?",
        {"f": "compounds.formula", "n": range(2, 9)},
        (("{n} times the atoms of {f}", lambda v: v["n"] * sum(atoms(v["f"]).values())),
         ("The atoms of one unit of {f}", lambda v: sum(atoms(v["f"]).values())),
         ("{n} times the elements of {f}", lambda v: v["n"] * len(atoms(v["f"]))),
         ("The atoms of {f} and {n} more", lambda v: v["n"] + sum(atoms(v["f"]).values())),
         ("{n} times one atom fewer than {f} has", lambda v: v["n"] * (sum(atoms(v["f"]).values()) - 1)))),
    Calculation("chemistry", MIDDLE, "How many neutrons does an atom of {i[0]}-{i[2]} have? Its atomic number is {i[1]}.",
        {"i": (("carbon", 6, 14), ("nitrogen", 7, 15), ("oxygen", 8, 18), ("fluorine", 9, 19), ("sodium", 11, 23), ("aluminium", 13, 27),
               ("phosphorus", 15, 31), ("chlorine", 17, 37), ("potassium", 19, 39), ("iron", 26, 56), ("cobalt", 27, 60), ("copper", 29, 63),
               ("bromine", 35, 81), ("strontium", 38, 90), ("silver", 47, 107), ("iodine", 53, 131), ("gold", 79, 197), ("uranium", 92, 238))},
        (("Mass number minus protons, {i[2]} - {i[1]}", lambda v: v["i"][2] - v["i"][1]), ("The mass number", lambda v: v["i"][2]),
         ("Mass number plus protons, {i[2]} + {i[1]}", lambda v: v["i"][2] + v["i"][1]), ("As many as protons", lambda v: v["i"][1]),
         ("Half the mass number, {i[2]} / 2", lambda v: v["i"][2] // 2))),
    Calculation("chemistry", HIGH, "{v} mL of a solution of {c} mol/L are filled up with water to {w} mL. What is the new concentration?",
        {"v": (10, 20, 25, 40, 50), "c": (2, 3, 4, 5, 6), "w": (100, 200, 250, 400, 500)},
        (("c · v / w = {c} · {v} / {w}", lambda v: Fraction(v["c"] * v["v"], v["w"])),
         ("c · w / v = {c} · {w} / {v}", lambda v: Fraction(v["c"] * v["w"], v["v"])),
         ("c · v / (w + v)", lambda v: Fraction(v["c"] * v["v"], v["w"] + v["v"])),
         ("c · v / (w - v)", lambda v: Fraction(v["c"] * v["v"], v["w"] - v["v"])),
         ("Leaving it at c", lambda v: v["c"])), "{} mol/L"),
    Calculation("biology", HIGH, "Which strand of DNA pairs with the strand {s}, base by base in the same order?",
        {"s": _shuffled("ATGC", 6)},
        (("Pairing A with T and G with C", lambda v: _bases(v["s"], "TACG")), ("Pairing A with G and T with C", lambda v: _bases(v["s"], "GCAT")),
         ("Pairing A with C and T with G", lambda v: _bases(v["s"], "CGTA")), ("Copying the strand", lambda v: v["s"]),
         ("Reading the strand backwards", lambda v: v["s"][::-1]))),
    Calculation("biology", MIDDLE, "A bacterium divides in two every {m} minutes. How many are there after {n} divisions, starting from {k}?",
        {"m": (20, 30, 40), "n": range(3, 11), "k": (1, 2, 3, 5)},
        (("k · 2ⁿ = {k} · 2^{n}", lambda v: v["k"] * 2 ** v["n"]), ("k · 2 · n = {k} · 2 · {n}", lambda v: v["k"] * 2 * v["n"]),
         ("k · n² = {k} · {n}²", lambda v: v["k"] * v["n"] ** 2), ("k · 2ⁿ⁻¹", lambda v: v["k"] * 2 ** (v["n"] - 1)),
         ("k · 2ⁿ⁺¹", lambda v: v["k"] * 2 ** (v["n"] + 1)))),
    Calculation("biology", HIGH, "A messenger RNA has {n} bases from the first base of the start codon to the last base before the stop codon. How many amino acids does it code for?",
        {"n": range(30, 600, 9)},
        (("n / 3 = {n} / 3", lambda v: v["n"] // 3), ("One for each base", lambda v: v["n"]), ("3 n = 3 · {n}", lambda v: 3 * v["n"]),
         ("n / 3 - 2", lambda v: v["n"] // 3 - 2), ("n / 2 = {n} / 2", lambda v: v["n"] // 2))),
    Calculation("astronomy", HIGH, "A planet orbits a star like the Sun at {a} times the distance of the Earth. How many years does one orbit take (Kepler's third law)?",
        {"a": tuple(n * n for n in range(2, 30))},
        (("T = a^(3/2) with a = {a}", lambda v: round(v["a"] ** 1.5)), ("T = a = {a}", lambda v: v["a"]),
         ("T = a² = {a}²", lambda v: v["a"] ** 2), ("T = a³ = {a}³", lambda v: v["a"] ** 3),
         ("T = √a", lambda v: round(v["a"] ** 0.5))), "{} years"),
    Calculation("astronomy", HIGH, "A star is moved to {n} times its distance. Which share of its former brightness is seen?",
        {"n": range(2, 60)},
        (("1 / n² with n = {n}", lambda v: f"1/{v['n'] ** 2}"), ("1 / n with n = {n}", lambda v: f"1/{v['n']}"),
         ("1 / 2n with n = {n}", lambda v: f"1/{2 * v['n']}"), ("1 / n³ with n = {n}", lambda v: f"1/{v['n'] ** 3}"))),
    Calculation("astronomy", MIDDLE, "A telescope has a focal length of {f} mm and an eyepiece of {e} mm. How much does it magnify?",
        {"f": range(500, 2500, 100), "e": (5, 10, 20, 25, 40)},
        (("f / e = {f} / {e}", lambda v: Fraction(v["f"], v["e"])), ("f - e = {f} - {e}", lambda v: v["f"] - v["e"]),
         ("f / 2e", lambda v: Fraction(v["f"], 2 * v["e"])), ("f · e / 100", lambda v: Fraction(v["f"] * v["e"], 100)),
         ("2f / e", lambda v: Fraction(2 * v["f"], v["e"]))), "{} times"),
    Calculation("puzzles", Level.ELEMENTARY, "Today is {day}. Which day of the week will it be in {n} days?",
        {"day": DAYS, "n": range(8, 60)},
        (("Going {n} days on from {day}", _day(lambda n: n)), ("Going {n} days back from {day}", _day(lambda n: -n)),
         ("Counting {day} as the first day", _day(lambda n: n - 1)), ("Counting one day too many", _day(lambda n: n + 1)),
         ("Going on by the tens digit alone", _day(lambda n: n // 10)))),
    Calculation("puzzles", MIDDLE, "In a row of {n} children, Ada is number {k} from the left. Which number is she from the right?",
        {"n": range(21, 60), "k": range(3, 20)},
        (("n - k + 1 = {n} - {k} + 1", lambda v: v["n"] - v["k"] + 1), ("n - k = {n} - {k}", lambda v: v["n"] - v["k"]),
         ("n - k - 1", lambda v: v["n"] - v["k"] - 1), ("Counting from the wrong side, {k}", lambda v: v["k"]),
         ("n - k + 2", lambda v: v["n"] - v["k"] + 2))),
    Calculation("puzzles", MIDDLE, "{n} people meet and everybody shakes hands once with everybody else. How many handshakes are there?",
        {"n": range(4, 60)},
        (("n (n - 1) / 2 with n = {n}", lambda v: v["n"] * (v["n"] - 1) // 2), ("n (n - 1) with n = {n}", lambda v: v["n"] * (v["n"] - 1)),
         ("n (n + 1) / 2 with n = {n}", lambda v: v["n"] * (v["n"] + 1) // 2), ("n² with n = {n}", lambda v: v["n"] ** 2),
         ("2 n with n = {n}", lambda v: 2 * v["n"]))),
    Calculation("puzzles", Level.ELEMENTARY, "A snail climbs {u} m up a wall of {h} m every day and slides {d} m down every night. On which day does it reach the top?",
        {"u": (4, 5, 6), "d": (1, 2, 3), "h": range(9, 40)},
        (("The first day on which {u} m are enough for the rest", lambda v: -(-(v["h"] - v["u"]) // (v["u"] - v["d"])) + 1),
         ("h / (u - d), rounded up", lambda v: -(-v["h"] // (v["u"] - v["d"]))), ("h / u, rounded up", lambda v: -(-v["h"] // v["u"])),
         ("h / (u - d) and one day more", lambda v: -(-v["h"] // (v["u"] - v["d"])) + 1),
         ("h - d", lambda v: v["h"] - v["d"]))),
)  # fmt: skip
"""All calculations. A mistake that happens to give the right result is left out of the options."""
