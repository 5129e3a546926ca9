"""The tier `numbers`: reworded and translated problems are found by numerals and answer, others with the same ones are not."""

import json

import polars as pl
import pytest

from factory.config.decontamination import DecontaminationSection
from factory.decontamination import load_index
from factory.decontamination.find import find_hits

SETTINGS = DecontaminationSection()
PROBLEMS = {
    "eggs": (
        "Janet's hens lay 16 eggs per day. She eats 3 for breakfast every morning and bakes muffins with 4. She "
        "sells the rest for $2 per egg. How much does she make every day at the market?",
        "18",
    ),
    "grid": (
        r"Find the number of integers $n$ with $1 \leq n \leq 2017$ so that $(n-2)(n-0)(n-1)(n-7)$ is a multiple of "
        "$1001$.",
        "99",
    ),
    "small": ("If $2x + 3 = 7$, what is the value of $x^2$?", "4"),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "made.jsonl"
    rows = [{"id": name, "problem": text, "answer": answer} for name, (text, answer) in PROBLEMS.items()]
    path.write_text("\n".join(map(json.dumps, rows)))
    return load_index([path])


def tiers(index, text, answer):
    hits = find_hits(
        pl.DataFrame({"problem": [text], "answer": [answer]}), index, SETTINGS, fields=["problem"]
    )
    return {name: (tier, drops) for name, tier, drops in hits.select("benchmark_id", "tier", "drops").rows()}


FOUND = ("numbers", True)
REWORDED = (
    "Each day the hens of Janet produce 16 eggs. Three of them she eats in the morning and 4 go into muffins that she "
    "bakes; the remaining eggs are sold for $2 each. What is her daily income at the market?"
)


@pytest.mark.parametrize(
    ("text", "answer", "problem"),
    [
        (REWORDED, "18", "eggs"),
        (REWORDED, r"\$18.00", "eggs"),
        (REWORDED.replace("16", "sixteen").replace("$2", "two dollars"), "18", "eggs"),
        ("珍妮特的母鸡每天下16个蛋。她每天早上早餐时吃3个，又用4个为朋友们烤松饼。剩下的蛋她以每个2美元的价格全部卖掉。她每天在市场上能赚多少钱？", "18", "eggs"),
        ("Janets Hennen legen täglich 16 Eier. Sie isst 3 davon jeden Morgen zum Frühstück und bäckt mit 4 weiteren Muffins. Den Rest verkauft sie für 2 Dollar pro Ei. Wie viel verdient sie jeden Tag auf dem Markt?", "18", "eggs"),
        (r"设 $n$ 为整数且 $1 \le n \le 2017$，使得 $(n-2)(n-0)(n-1)(n-7)$ 是 $1001$ 的倍数，求这样的 $n$ 的个数。", "99", "grid"),
        (r"How many integers $1 \le n \le 2017$ make $(n-2)(n-0)(n-1)(n-7)$ divisible by, that is a multiple of, $1001$?", "99", "grid"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("both_codes")
def test_the_same_problem_in_other_words_is_dropped(index, text, answer, problem):
    assert tiers(index, text, answer) == {problem: FOUND}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (REWORDED, "19"),  # another answer: another question
        (REWORDED, None),
        (REWORDED.replace("16", "17"), "18"),
        ("A train has 16 cars, three of which carry coal and four ore; 2 drivers take turns. How long is the trip?", "18"),
        ("Let $a$ and $b$ be roots of $x^2 - 7x + 3 = 0$. Determine $a + b - 3$ in lowest terms.", "4"),
        ("已知 $2x + 3 = 7$ 的另一种情形", "4"),
        ("16 Züge halten am Bahnhof, 3 davon mit 4 Wagen, und in jedem Wagen sitzen am Abend noch 2 Leute, wenn es regnet. Wie viele?", "18"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("both_codes")
def test_another_problem_is_not_dropped(index, text, answer):
    assert not any(drops for _, drops in tiers(index, text, answer).values())


CAR_WASH = (
    "Keegan was running a car wash with his friend Tasha to raise money for a baseball camp. They needed to raise $200 for "
    "the two of them. By 3 pm, Keegan had earned $83 and Tasha had earned $91. How much more did they need to earn to "
    "reach their goal?"
)
RESPONSE = (
    "Keegan was running a car wash to raise money for a baseball camp. Their goal is $200 in total. By 3 pm, Keegan had "
    "earned $83 and Tasha had earned $91. I have to find how much more they need to earn to reach their goal. "
)
THOUGHTS = "So let me think about that once more, slowly, and see whether every part of it fits what was said above. "


@pytest.mark.usefixtures("both_codes")
def test_a_response_says_again_what_is_asked_piece_by_piece(tmp_path):
    path = tmp_path / "made.jsonl"
    path.write_text(json.dumps({"id": "wash", "problem": CAR_WASH, "answer": "26"}))
    index = load_index([path])
    assert tiers(index, RESPONSE + 12 * THOUGHTS, None) == {"wash": ("ngram", True)}
    assert tiers(index, RESPONSE + 6 * THOUGHTS, None) == {"wash": ("template", False)}


MIXED = r"$$2\frac{3}{5}=$$~\uline{~~~~}~. (A) $$2-\frac{3}{5}$$ (B) $$2+\frac{3}{5}$$ (C) $$2\times \frac{3}{5}$$ (D) $$2\div \frac{3}{5}$$"
SUMS = (
    r"Calculate: $$\frac{3}{5}+ \frac{1}{5}\times \frac{2}{7}- \frac{1}{7}=$$~\uline{~~~~}~; "
    r"$$\frac{2}{47}\times 15 \times \frac{47}{36}\times \frac{2}{15}\div \frac{1}{18}=$$~\uline{~~~~}~. (A) $$\frac{7}{12};2$$ "
    r"(B) $$\frac{2}{9}; \frac{1}{2}$$ (C) $$\frac{1}{12};2$$ (D) $$\frac{2}{3}; \frac{1}{9}$$"
)
TANGENT = "Determine the equation of the tangent line to the graph of the function $f(x)=x^{4}-6x^{3}$ at the point $(5, 7)$."
MATRIX = (
    r"Given the definition of a $3×3$ matrix as $\begin{vmatrix} a & b \\ c & d \end{vmatrix}=ad-bc$, which holds for whatever entries "
    r"it may have, and the tangent line, determine the equation of the tangent line to the graph of the function "
    r"$f(x)=\begin{pmatrix} x^{4}-x & 9 \\ x & \frac{x}{3} \end{pmatrix}$ at the point $(8, 11)$ where it touches the curve that is drawn."
)


@pytest.mark.parametrize(("problem", "text"), [(MIXED, SUMS), (TANGENT, MATRIX)])
@pytest.mark.usefixtures("both_codes")
def test_a_longer_text_must_have_the_numbers(tmp_path, problem, text):
    path = tmp_path / "made.jsonl"
    path.write_text(json.dumps({"id": "p", "problem": problem, "answer": "A"}))
    index = load_index([path])
    assert not any(drops for _, drops in tiers(index, text, "A").values())
    longer = f"We met this one in class last week, and nobody there could say at once what to do with it. {problem} Who can?"
    assert tiers(index, longer, "A")["p"][1]


CLAIMS = (
    "\n(A) the claim is necessary but it is not sufficient\n(B) the claim is sufficient but it is not necessary"
    "\n(C) the claim is both necessary and sufficient\n(D) the claim is neither necessary nor sufficient"
)
PARALLELOGRAM = "A quadrilateral has two pairs of equal sides. For its being a parallelogram," + CLAIMS
CONVERGENCE = "The terms of a series tend to zero. If we want that series to converge to some limit," + CLAIMS
SAME_STEM = "Some quadrilateral has two pairs of equal sides. For it to be a parallelogram," + CLAIMS
BOLTS = (
    "A machine stamps 90 bolts an hour and 7 of every 90 are faulty. Quinn takes five bolts from the belt, one after the "
    "other, without putting any back. What is the probability that exactly two of the bolts that Quinn takes are faulty?"
)
OPPOSITE_BOLTS = BOLTS.replace("exactly two", "at least two")
REWORDED_BOLTS = BOLTS.replace("one after the other", "each after the last")
TOLL = "Suppose that a driver pays 4 euros at a green gate and gets 6 euros at a red gate. What does a drive cost on average?"
BIASED = "One gate in five shows green to a driver that comes along, and the four other gates are always red to them. "
FENCE = "A gardener puts up 3 posts and 1 gate and paints 5 planks of each. He has 7 planks left when all is done. How many were there?"
PLANKS = "园丁立了3根柱子和1扇门，每样各漆5块木板。全部做完以后还剩下7块。原来一共有多少块木板？"
ROPE = "一根绳子长3米，把它平均剪成5段，再从每段上剪去7厘米。现在每段绳子的长度是多少厘米？"


@pytest.mark.parametrize(
    ("problem", "gold", "text", "answer", "dropped"),
    [
        (PARALLELOGRAM, "A", CONVERGENCE, "A", False),  # the same options
        (PARALLELOGRAM, "A", SAME_STEM, "A", True),
        (BOLTS, "0.04", OPPOSITE_BOLTS, "0.05", False),  # at least two, not exactly two
        (BOLTS, "0.04", OPPOSITE_BOLTS, "0.04", True),
        (BOLTS, "0.04", OPPOSITE_BOLTS, None, True),
        (BOLTS, "0.04", REWORDED_BOLTS, "4%", True),
        (TOLL, "2", BIASED + TOLL, "-4", False),  # stated before: how often
        (TOLL, "2", BIASED + TOLL, "2", True),
        (TOLL, "2", "What is 4 times 5? And here is one more. " + TOLL, "-4", True),
        (TOLL, "2", TOLL + " Give the answer plus 7 and no more.", "9", True),
        (FENCE, "53", ROPE, "53", False),  # the numbers by chance, but for a 1
        (FENCE, "53", PLANKS, "53", True),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("both_codes")
def test_what_makes_another_problem_of_much_the_same_text(tmp_path, problem, gold, text, answer, dropped):
    path = tmp_path / "made.jsonl"
    path.write_text(json.dumps({"id": "p", "problem": problem, "answer": gold}))
    found = tiers(load_index([path]), text, answer)
    assert dropped == any(drops for _, drops in found.values()), found
