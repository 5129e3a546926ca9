"""What a problem is: its numbers, orders, asked letters, choices and passage are part of it, and golds must agree."""

import json
from pathlib import Path

import polars as pl
import pytest

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import deduplicate
from factory.deduplication.golds import gold_keys
from factory.run.parts import read_dropped, read_parts, side_path
from factory.steps import deduplicate as step

LONG = (
    "A farmer owns a long field beside a river and fences it on the sides that do not touch the water with wire from "
    "one roll, and each side of the field is measured by him and written down on a sheet of paper in plain figures. "
)
SECTION = DeduplicationSection()


def kept(rows, **settings):
    return deduplicate(pl.DataFrame(rows), DeduplicationSection(**settings), field="problem").kept.height


@pytest.mark.usefixtures("both_codes")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONG + "Find w.", LONG + "Find l."),
        (LONG + "Determine $x$.", LONG + "Determine $y$."),
        (LONG + "Find the seventh term.", LONG + "Find the ninth term."),
        (LONG + "Give it in cm.", LONG + "Give it in metres."),
        ("在一个直角三角形中两条直角边的长度分别为三厘米和四厘米现在以斜边为直径作一个圆请问这个圆的面积是多少", "在一个直角三角形中两条直角边的长度分别为五厘米和四厘米现在以斜边为直径作一个圆请问这个圆的面积是多少"),
        ("当自变量大于零时函数值大于零请判断该函数在整个实数集上的单调性求出函数在给定闭区间上的值", "当自变量大于零时函数值小于零请判断该函数在整个实数集上的单调性求出函数在给定闭区间上的值"),
        ("半径が五以上の円について中心から点までの距離を求めその理由をくわしく説明しなさい", "半径が五以下の円について中心から点までの距離を求めその理由をくわしく説明しなさい"),
    ],
)  # fmt: skip
def test_other_orders_quantities_and_asked_letters_are_other_problems(one, other):
    assert kept({"problem": [one, other]}) == 2
    assert kept({"problem": [one, one]}) == 1


@pytest.mark.usefixtures("both_codes")
def test_an_article_is_no_asked_letter():
    assert kept({"problem": [LONG + "Find a number for it.", LONG + "Find the number for it."]}) == 1


@pytest.mark.parametrize("name", ["choices", "context", "passage", "image"])
def test_choices_passages_and_images_are_part_of_a_problem(name):
    values = [["4", "6"], ["9", "11"]] if name == "choices" else ["one thing", "another thing"]
    problem = ["Which of these numbers is prime?"] * 2
    assert kept({"problem": problem, name: values}) == 2
    assert kept({"problem": problem, name: values[:1] * 2}) == 1


@pytest.mark.parametrize(
    "agreeing",
    [
        [
            "12",
            " 12 ",
            "$12$",
            "12.0",
            r"\boxed{12}",
            "x = 12",
            r"12 \text{ cm}",
            "12 cm",
            r"12^\circ",
            "12.",
        ],
        ["1/2", "0.5", r"\frac{1}{2}", r"\dfrac12", ".5", r"\frac 12"],
        ["1,234", "1234", r"1{,}234"],
        [r"2\sqrt{3}", r"2 \sqrt 3", r"$2\sqrt{3}$"],
        ["B", "b"],
    ],
)
def test_golds_that_agree(agreeing):
    assert len(set(gold_keys(pl.Series(agreeing)).tolist())) == 1


def test_golds_that_contradict_each_other_and_missing_ones():
    different = [
        "12",
        "13",
        "-12",
        "1/2",
        "2/1",
        "",
        "A",
        "B",
        "x",
        "2x",
        "\\boxed{}",
        "?",
        "\\frac{1}{0}",
        "9" * 5000,
    ]
    keys = gold_keys(pl.Series(different)).tolist()
    assert len(set(keys)) == len(different)
    assert [key == 0 for key in keys] == [text == "" for text in different]
    assert gold_keys(pl.Series([None], dtype=pl.String)).tolist() == [0]
    assert gold_keys(pl.Series([7, 8])).tolist() == gold_keys(pl.Series(["7", "8"])).tolist()


ROWS = {
    "id": ["a", "b", "c", "d", "e", "f"],
    "problem": [LONG + "How many metres?"] * 5 + ["Another problem"],
    "answer": ["12", None, "13", "12.0", "13", "1"],
}


def test_rows_with_contradicting_golds_are_never_merged():
    result = deduplicate(pl.DataFrame(ROWS), SECTION, field="problem")
    assert result.kept["id"].to_list() == ["a", "c", "f"]
    survivors = {
        row: json.loads(proof)["survivor"]
        for row, proof in result.dropped.select("row_id", "evidence").rows()
    }
    assert survivors == {"b": "a", "d": "a", "e": "c"}
    assert result.conflicts.select("row_id", "answer", "kept").rows() == [
        ("a", "12", True), ("b", None, False), ("c", "13", True), ("d", "12.0", False), ("e", "13", False),
    ]  # fmt: skip
    assert result.conflicts["cluster_id"].n_unique() == result.audit["conflicts"] == 1


def test_the_step_does_the_same_over_parts_and_lists_the_conflicts(tmp_path):
    table, folder = pl.DataFrame(ROWS), tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        table.slice(2 * number, 2).write_parquet(folder / f"part-{number:05d}.parquet")
    result = deduplicate(table, SECTION, field="problem")
    done = step.run([str(folder)], tmp_path / "out", SECTION, field="problem")
    assert read_parts(tmp_path / "out").equals(result.kept)
    assert pl.read_parquet(side_path(tmp_path / "out", step.CONFLICTS)).equals(result.conflicts)
    assert done.summary.conflicts == 1


def test_published_rows_with_another_gold_do_not_win(tmp_path):
    old = pl.DataFrame({"problem": ROWS["problem"][:1], "answer": ["99"]})
    result = deduplicate(pl.DataFrame(ROWS), SECTION, field="problem", against=old)
    assert result.kept["id"].to_list() == ["a", "c", "f"]


@pytest.mark.parametrize(
    ("rule", "golds", "kept_ids"),
    [
        ("majority", ["12", None, "13", "12.0", "13", "12"], ["a"]),
        ("majority", ["13", None, "12", "12.0", "13", "12"], ["c"]),
        ("majority", ["12", None, None, None, "13", "13"], ["e"]),
        ("majority", ["12", None, "13", "12", "13", "14"], ["a", "c", "f"]),  # two lead
        ("majority", ["12", None, "12", "12", "12", None], ["a"]),  # no contradiction
        ("drop", ["12", None, "13", "12.0", "13", "12"], []),
        ("drop", ["12", None, "12", "12.0", "12", "12"], ["a"]),
    ],
)
def test_a_rule_says_what_becomes_of_contradicting_golds(tmp_path, rule, golds, kept_ids):
    section = DeduplicationSection(conflicts=rule)
    alike = [LONG + "How many metres?"] * 6
    table = pl.DataFrame({"id": [*"abcdefg"], "problem": [*alike, "Another"], "answer": [*golds, "1"]})
    result = deduplicate(table, section, field="problem")
    assert result.kept["id"].to_list() == [*kept_ids, "g"]
    torn = "13" in golds
    assert result.conflicts.height == (6 if torn else 0)
    for row, reason in result.dropped.select("row_id", "reason").rows():
        gold = golds["abcdefg".index(row)]
        lost = torn and (
            rule == "drop"
            or (
                gold is not None
                and len(kept_ids) == 1
                and gold[:2] != golds["abcdefg".index(kept_ids[0])][:2]
            )
        )
        assert (reason == "contradicting_gold") == bool(lost), row
    table.write_parquet(tmp_path / "in.parquet")
    step.run([str(tmp_path / "in.parquet")], tmp_path / "out", section, field="problem")
    assert read_parts(tmp_path / "out").equals(result.kept)
    assert sorted(read_dropped(tmp_path / "out")["reason"]) == sorted(result.dropped["reason"])


CASES = Path(__file__).parents[2] / "../shared/cases/dedup.jsonl"


@pytest.mark.skipif(not CASES.is_file(), reason="the shared cases are not here")
def test_shared_cases():
    for line in CASES.open(encoding="utf-8"):
        case = json.loads(line)
        assert kept(case["rows"]) == case["kept"], case["group"]


THINGS = ["lamps", "ropes", "apples", "sheep", "crates", "windows"]


@pytest.mark.usefixtures("both_codes")
@pytest.mark.parametrize(
    "question",
    [
        "How many {} are left?",
        "What {} did he sell first?",
        "Which {} were heavy?",
        "Whose {} were they?",
        "How much {}?",
    ],
)
def test_another_question_below_the_same_passage_is_another_problem(question):
    assert kept({"problem": [2 * LONG + question.format(thing) for thing in THINGS]}) == len(THINGS)
    assert kept({"problem": [2 * LONG + question.format("lamps")] * 3}) == 1


@pytest.mark.usefixtures("both_codes")
def test_who_when_and_where_ask_at_the_beginning_of_a_sentence_only():
    asked = ["Who sold them?", "When did it rain?", "Where is the cart?", "Which cart was it?"]
    assert kept({"problem": [2 * LONG + question for question in asked]}) == len(asked)
    told = [2 * LONG + f"He rests {word} the road ends." for word in ("where", "because", "when")]
    assert kept({"problem": told}) == 1


CHAIN = [f"word{i}" for i in range(60)]
"""Every text of a chain lacks the first words of the one before it and goes on a little further."""


@pytest.mark.usefixtures("both_codes")
@pytest.mark.parametrize("links", [3, 9])
def test_a_row_far_from_its_survivor_is_not_dropped(tmp_path, links):
    texts = [" ".join(CHAIN[2 * i : 2 * i + 40]) for i in range(links)]
    rows = pl.DataFrame({"id": [f"p{i}" for i in range(links)], "problem": texts})
    settings = DeduplicationSection(numbers_differ=False)
    result = deduplicate(rows, settings, field="problem")
    # A shift by 2 words leaves 34 of 38 5-grams, by 4 words 32 of 40, by 6 words 30 of 42: below the threshold.
    assert result.kept["id"].to_list() == [f"p{i}" for i in range(0, links, 3)]
    similar = [json.loads(proof)["similarity"] for proof in result.dropped["evidence"]]
    assert min(similar) >= settings.threshold
    rows.write_parquet(tmp_path / "in.parquet")
    step.run([str(tmp_path / "in.parquet")], tmp_path / "out", settings, field="problem")
    assert read_parts(tmp_path / "out")["id"].to_list() == result.kept["id"].to_list()
    assert read_dropped(tmp_path / "out")["evidence"].to_list() == result.dropped["evidence"].to_list()
