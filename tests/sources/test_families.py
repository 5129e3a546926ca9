import json
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.sources.families import FAMILIES, Options, Scratch
from factory.sources.families.scratch import misread
from schemas import Level

EVERY = [(family, level) for family in FAMILIES.values() for level in family.levels]
ALL = pytest.mark.parametrize(("family", "level"), EVERY, ids=[f"{f.name}-{lv}" for f, lv in EVERY])


def drawn(family, level, seed, terse=False):
    rng = random.Random(f"{family.name}{level}{seed}")
    options = Options(terse=terse)
    return family.draw(rng, level, options), rng


@ALL
@pytest.mark.parametrize("terse", [False, True])
def test_the_worked_solution_reaches_the_answer(family, level, terse):
    for seed in range(60):
        params, rng = drawn(family, level, seed, terse)
        assert json.loads(json.dumps(params)) == params, "parameters must survive the metadata"
        pad = Scratch(rng, terse=terse, wrong_turns=0.3, honest=True)
        assert family.solve(params, pad) == family.answer(params), params
        assert not pad.slipped and not pad.caught, "a right solution must pass its own check"
        assert pad.steps >= 1 and len(pad.lines) >= 2


@ALL
def test_every_slip_is_survived_and_most_reach_a_wrong_answer(family, level):
    wrong = tried = caught = 0
    for seed in range(25):
        params, _ = drawn(family, level, seed)
        pad = Scratch()
        right = family.solve(params, pad)
        for place in range(pad.steps):
            slipped = Scratch(random.Random(place), slip_at=place, honest=True)
            value = family.solve(params, slipped)
            assert slipped.slipped and isinstance(value, (int, Fraction))
            tried += 1
            wrong += value != right
            caught += value != right and slipped.caught
    assert wrong / tried > 0.5
    assert caught == wrong, "the check of every family must notice a wrong answer"


@ALL
def test_problems_are_told_in_many_ways_and_hold_no_braces(family, level):
    params, rng = drawn(family, level, 1)
    assert len({family.tell(rng, params, False) for _ in range(60)}) >= 2
    for seed in range(30):
        params, rng = drawn(family, level, seed)
        for terse in (False, True):
            text = family.tell(rng, params, terse)
            assert text.strip() == text and text and "None" not in text and "Fraction(" not in text


@given(st.integers(-10_000, 10_000), st.integers(0, 1000))
def test_a_misread_whole_number_is_another_of_the_same_kind(value, seed):
    wrong = misread(random.Random(seed), value)
    assert isinstance(wrong, int) and wrong != value
    assert value == 0 or wrong != 0


@given(st.integers(2, 40), st.data())
def test_a_misread_remainder_stays_a_remainder(modulus, data):
    value = data.draw(st.integers(0, modulus - 1))
    wrong = misread(random.Random(value), value, modulus)
    assert wrong != value and 0 <= wrong < modulus


def test_five_levels_and_at_least_twelve_families():
    assert len(FAMILIES) >= 12
    assert {level for family in FAMILIES.values() for level in family.levels} == set(Level)


def brute(name, params):
    """Answers found by trying, without the families' formulas."""
    import itertools
    import math

    p = params
    if name == "gcd_lcm" and p["asked"] == "gcd":
        return max(d for d in range(1, p["b"] + 1) if p["a"] % d == 0 == p["b"] % d)
    if name == "gcd_lcm":
        return next(n for n in itertools.count(p["a"], p["a"]) if n % p["b"] == 0)
    if name == "power_mod":
        return math.prod([p["base"]] * p["exponent"]) % p["modulus"]
    if name == "linear_equation":
        slope, rest = p["a"] - p["c"], p["d"] - p["b"] - p["a"] * p["p"]
        x = Fraction(rest, slope)
        assert p["a"] * (x + p["p"]) + p["b"] == p["c"] * x + p["d"]
        return x
    if name == "quadratic":
        r, s = sorted(x for x in range(-20, 21) if (x - p["roots"][0]) * (x - p["roots"][1]) == 0)
        return {"larger": s, "smaller": r, "gap": s - r, "squares": r * r + s * s}[p["asked"]]
    if name == "counting":
        return brute_count(p)
    if name == "probability":
        return brute_chance(p)
    if name == "determinant":
        import sympy

        return int(sympy.Matrix(p["rows"]).det())
    if name == "polynomial_calculus":
        import sympy

        x = sympy.Symbol("x")
        f = sum(c * x**k for k, c in enumerate(p["coefficients"]))
        found = (
            sympy.diff(f, x).subs(x, p["at"])
            if p["kind"] == "derivative"
            else sympy.integrate(f, (x, p["low"], p["high"]))
        )
        return Fraction(int(found.p), int(found.q))
    if name == "waiting_time":
        import sympy

        run, chance = p["run"], sympy.Rational(*p["p"])
        e = sympy.symbols(f"e0:{run + 1}")
        rows = [sympy.Eq(e[k], 1 + chance * e[k + 1] + (1 - chance) * e[0]) for k in range(run)]
        found = sympy.solve([*rows, sympy.Eq(e[run], 0)], e)[e[0]]
        return Fraction(int(found.p), int(found.q))
    if name == "geometry" and p["kind"] == "polygon":
        import sympy

        found = abs(sympy.Polygon(*[tuple(q) for q in p["points"]]).area)
        return Fraction(int(found.p), int(found.q))
    raise KeyError(name)


def brute_count(p):
    import itertools

    kind = p["kind"]
    if kind == "divisible":
        return len(set(range(p["a"], p["n"] + 1, p["a"])) | set(range(p["b"], p["n"] + 1, p["b"])))
    if kind == "committee":
        women = sum(1 for _ in itertools.combinations(range(p["women"]), p["w"]))
        return women * sum(1 for _ in itertools.combinations(range(p["men"]), p["m"]))
    if kind == "letters":
        return (
            len(set(itertools.permutations(p["word"] + p["extra"])))
            if len(p["word"] + p["extra"]) <= 7
            else None
        )
    if kind == "paths":
        (x1, x2), (y1, y2) = p["x"], p["y"]
        grid = {(0, 0): 1}
        for x, y in itertools.product(range(x1 + x2 + 1), range(y1 + y2 + 1)):
            if (x, y) != (0, 0):
                ways = grid.get((x - 1, y), 0) + grid.get((x, y - 1), 0)
                inside = (x <= x1 and y <= y1) or (x >= x1 and y >= y1)
                grid[x, y] = ways if inside else 0
        return grid[x1 + x2, y1 + y2]
    if kind == "apart":
        if p["n"] > 7:
            return None
        return sum(abs(o.index(0) - o.index(1)) > 1 for o in itertools.permutations(range(p["n"])))
    if kind == "onto":
        if p["k"] ** p["n"] > 70_000:
            return None
        return sum(len(set(f)) == p["k"] for f in itertools.product(range(p["k"]), repeat=p["n"]))
    if p["n"] > 7:
        return None
    return sum(all(i != x for i, x in enumerate(o)) for o in itertools.permutations(range(p["n"])))


def brute_chance(p):
    import itertools

    if p["kind"] == "urn":
        balls = [0] * p["red"] + [1] * p["blue"]
        draws = list(itertools.combinations(balls, p["draws"]))
        good = [d for d in draws if sum(d) == 0 or (p["same"] and sum(d) == p["draws"])]
        return Fraction(len(good), len(draws))
    if p["kind"] == "coins":
        chance = Fraction(*p["p"])
        return sum(
            chance ** sum(f) * (1 - chance) ** (p["n"] - sum(f))
            for f in itertools.product((0, 1), repeat=p["n"])
            if sum(f) == p["k"]
        )
    if p["kind"] == "bayes":
        flagged = [
            (ill, (p["hit"] if ill else p["false"]) * (p["prior"] if ill else 100 - p["prior"]))
            for ill in (1, 0)
        ]
        return Fraction(flagged[0][1], sum(w for _, w in flagged))
    a, b = p["sides"]
    rolls = [i + j for i in range(1, a + 1) for j in range(1, b + 1)]
    return Fraction(rolls.count(p["total"]), len(rolls))


ORACLES = (
    "gcd_lcm", "power_mod", "linear_equation", "quadratic", "counting", "probability", "determinant",
    "polynomial_calculus", "waiting_time",
)  # fmt: skip


@pytest.mark.parametrize("name", ORACLES)
def test_answers_agree_with_brute_force(name):
    family, checked = FAMILIES[name], 0
    for level in family.levels:
        for seed in range(12):
            params, _ = drawn(family, level, seed)
            expected = brute(name, params)
            if expected is not None:
                assert family.answer(params) == expected, params
                checked += 1
    assert checked >= 6


def test_the_page_of_families_is_up_to_date():
    from pathlib import Path

    from benchmarks.families_page import page

    shown = Path(__file__).resolve().parents[2] / "docs" / "families.md"
    assert shown.read_text("utf-8") == page(), "run: python -m benchmarks.families_page > docs/families.md"
