import json
import random
from pathlib import Path

import polars as pl
import pytest

from factory.config.decontamination import DecontaminationSection
from factory.decontamination import decontaminate, load_index
from factory.decontamination.find import find_hits
from factory.decontamination.hits import Tier
from factory.decontamination.index import read, save
from factory.decontamination.load import build_indexes, shipped
from factory.errors import UsageError
from factory.sampling.procedural import Habits, write_trace
from factory.sources.families import FAMILIES
from factory.sources.procedural import draw_problems
from tests.support.cli import run_factory

SETTINGS = DecontaminationSection()
GEESE = (
    "A farmer in Saxony keeps 37 geese and 12 spotted goats behind a crooked wooden fence. Every Tuesday the youngest "
    "goat steals 5 cabbages from the bishop's garden, and every goose hides 3 of them under the chapel. How many "
    "cabbages lie under the chapel after 8 weeks?"
)
CIRCLE = (
    r"Let $ABC$ be a triangle whose incircle touches the circumscribed hexagon at $P$, and let $\frac{a}{b}$ be the "
    r"ratio of the shaded lens to the annulus. If $a^2 + 17b = 450$, determine the perimeter of the dodecagon that "
    r"surrounds the lens."
)
SHORT = r"Evaluate $\sqrt{1769} + x^3 - 44$."
TINY = "Compute $3x^2 + 5x$."
CHOICE = (
    "Which enzyme unwinds the double helix at the replication fork of a dividing cell?\n(A) helicase of the outer membrane\n"
    "(B) ligase that joins fragments\n(C) primase without template\n(D) polymerase with proofreading"
)
STOCK = "where $m$ and $n$ are relatively prime positive integers. Find $m+n$."


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    rows = [{"id": f"b{i}", "problem": p} for i, p in enumerate([GEESE, CIRCLE, SHORT, CHOICE, TINY])]
    rows += [
        {"id": f"s{i}", "problem": f"The chance of {w} is $m/n$, {STOCK}"}
        for i, w in enumerate("abcdefg" * 10)
    ]
    path = folder / "made.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return load_index([path])


def found(text, index):
    hits = find_hits(pl.DataFrame({"problem": [text]}), index, SETTINGS, fields=["problem"])
    return {
        row["benchmark_id"]: row["tier"]
        for row in hits.iter_rows(named=True)
        if row["benchmark_id"][0] == "b"
    }


@pytest.mark.parametrize(
    ("text", "problem", "tiers"),
    [
        (GEESE, "b0", {"exact"}),
        (GEESE.upper().replace(".", " ;"), "b0", {"exact"}),
        ("Solve it step by step. " + GEESE + " Answer in \\boxed{}.", "b0", {"ngram"}),
        (GEESE.replace("wooden", "stone"), "b0", {"ngram"}),
        (GEESE.replace("37", "41").replace("12", "19").replace("5", "7").replace("8", "9"), "b0", {"template"}),
        (CIRCLE.replace(r"\frac{a}{b}", r"\dfrac{ a }{ b }").replace("$a^2 + 17b = 450$", r"\(a^{2}+17b=450\,\)"), "b1", {"exact"}),
        (CIRCLE.replace("$ABC$", "$XYZ$").replace("$P$", "$Q$").replace("{a}{b}", "{u}{w}").replace("a^2 + 17b", "u^2 + 17w"), "b1", {"renamed"}),
        (SHORT, "b2", {"exact"}),
        (TINY, "b4", {"exact"}),
        (SHORT.replace("x", "t"), "b2", {"exact", "renamed"}),
        ("Please help me. " + SHORT + " Thanks!", "b2", {"contained"}),
        (CHOICE.replace("helicase of the outer membrane", "@").replace("polymerase with proofreading", "helicase of the outer membrane").replace("@", "polymerase with proofreading"), "b3", {"shuffled_options"}),
        ("Quiz: " + CHOICE.split("\n")[0] + " Options: primase, polymerase, helicase, ligase.", "b3", {"contained", "ngram"}),
    ],
)  # fmt: skip
def test_a_benchmark_problem_is_found_in_disguise(text, problem, tiers, index):
    assert found(text, index).get(problem) in tiers


@pytest.mark.parametrize(
    "text",
    [
        "The probability that a knight returns home is $\\frac{m}{n}$, " + STOCK,
        "A farmer keeps 37 geese. How many legs do they have?",
        "Evaluate $\\sqrt{1769}$.",
        SHORT.replace("44", "45"),
        TINY.replace("+", "-"),
        "Which enzyme joins fragments?",
        "",
        "???",
    ],
)
def test_other_problems_are_left_alone(text, index):
    assert set(found(text, index).values()) <= {"template"}


def test_a_quoted_problem_is_found_in_a_long_response_with_its_span(index):
    filler = "First we consider the sum of all terms and then we check the remaining cases one by one. " * 300
    text = filler + "The user asks: " + GEESE + " Let me think. " + filler
    hits = find_hits(pl.DataFrame({"reasoning": [text]}), index, SETTINGS, fields=["reasoning"])
    row = hits.row(0, named=True)
    assert (row["field"], row["benchmark_id"], row["tier"]) == ("reasoning", "b0", "ngram")
    assert row["span"].startswith("A farmer in Saxony") and row["span"].endswith("after 8 weeks")


def test_scattered_words_of_a_problem_are_no_hit(index):
    words = GEESE.split()
    text = " ".join(
        " ".join(words[i : i + 5]) + " and so on and so forth" * 20 for i in range(0, len(words), 5)
    )
    assert found(text, index) == {}


def test_a_problem_of_one_telling_phrase_is_not_found_in_every_trace(tmp_path):
    bench = tmp_path / "bench.jsonl"
    bench.write_text(
        json.dumps({"id": "b", "problem": r"Let $T=T N Y W R$. Compute $2^{\log _{T} 8}-8^{\log _{T} 2}$."})
    )
    lines = " ".join(
        f"Let T = {i}. Then T^2 = {i * i % 23} mod 23, so 2^T = {2**i % 23} mod 23." for i in range(99)
    )
    assert found(f"We work mod 23. {lines} Compute 8^2 = 18.", load_index([bench])) == {}


def test_a_problem_of_nothing_but_letters_is_not_found_wherever_there_are_some(tmp_path):
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"id": "b", "problem": "?\n(A) A\n(B) b\n(C) c\n(D) D"}))
    text = "Let $a, b, c, d$ be reals with $a + b = 7$ and $c + d = 9$. Find the least value of $abcd$."
    assert found(text, load_index([bench])) == {}


def test_a_short_problem_is_not_found_by_its_one_phrase():
    text = "How many three-digit positive integers have digits that add up to a multiple of nine?"
    hits = find_hits(pl.DataFrame({"problem": [text]}), load_index(["all"]), SETTINGS, fields=["problem"])
    assert not hits["drops"].any()


def test_a_problem_of_stock_phrases_is_not_found_by_its_few_telling_ones(index):
    told = "A sequence is defined by a_1 = 1, a_2 = 4 and a_n = 2 a_(n-1) - 2 a_(n-2) for n > 2. What is a_9?"
    hits = find_hits(
        pl.DataFrame({"problem": [told]}), load_index(["math_test"]), SETTINGS, fields=["problem"]
    )
    assert not hits["drops"].any()


def test_procedural_problems_and_their_traces_hold_no_benchmark_problem():
    texts = []
    for row in draw_problems("procedural:all?count=120&seed=3"):
        metadata = json.loads(row["metadata"])
        trace = write_trace(FAMILIES[metadata["family"]], metadata["params"], random.Random(1), Habits())
        texts += [row["problem"], trace.reasoning]
    hits = find_hits(pl.DataFrame({"problem": texts}), load_index(["all"]), SETTINGS, fields=["problem"])
    assert hits.filter("drops").is_empty()


def test_a_reworded_problem_is_a_variant_and_stays_unless_asked(index):
    text = CIRCLE.replace("the perimeter of the dodecagon that", "what area the dodecagon has that")
    text = text.replace("17b = 450", "19b = 77").replace("shaded lens to the annulus", "two areas")
    rows = pl.DataFrame({"id": ["x"], "problem": [text]})
    result = decontaminate(rows, index, SETTINGS, fields=["problem"])
    tiers = result.hits["tier"].to_list()
    assert tiers in (["variant"], ["template"]) and result.kept.height == 1
    asked = DecontaminationSection(drop_variants=True, drop_templates=True)
    assert decontaminate(rows, index, asked, fields=["problem"]).kept.height == 0


def test_dropped_rows_carry_evidence_and_templates_stay_unless_asked(index):
    renumbered = GEESE.replace("37", "41").replace("12", "19").replace("5", "7").replace("8", "9")
    rows = pl.DataFrame({"id": ["x", "y", "z"], "problem": [GEESE, renumbered, "What is 2+2?"]})
    result = decontaminate(rows, index, SETTINGS, fields=["problem"])
    assert result.kept["id"].to_list() == ["y", "z"]
    dropped = result.dropped.row(0, named=True)
    assert (dropped["row_id"], dropped["reason"]) == ("x", "benchmark_exact")
    evidence = json.loads(dropped["evidence"])
    assert (evidence["benchmark"], evidence["benchmark_id"], evidence["tier"]) == ("made", "b0", "exact")
    assert "bishop" in evidence["span"]
    assert json.loads(dropped["row"])["problem"] == GEESE
    assert result.certificate["rows_found"] == {"made": {"exact": 1, "template": 1}}
    strict = DecontaminationSection(drop_templates=True)
    assert decontaminate(rows, index, strict, fields=["problem"]).kept["id"].to_list() == ["z"]


def test_evidence_is_readable_in_every_language(tmp_path):
    (tmp_path / "mädchen.jsonl").write_text(json.dumps({"id": "bé", "problem": GEESE}) + "\n")
    rows = pl.DataFrame({"id": ["x"], "problem": [GEESE]})
    found = decontaminate(rows, load_index([tmp_path / "mädchen.jsonl"]), SETTINGS, fields=["problem"])
    (evidence,) = found.dropped["evidence"]
    assert '"bé"' in evidence and '"mädchen"' in evidence


def test_of_a_dialogue_what_the_user_asked_is_compared(index):
    said = [{"role": "user", "content": "Tell me a problem, any."}, {"role": "assistant", "content": GEESE}]
    asked = [{"role": "user", "content": GEESE}, {"role": "assistant", "content": "I do not know that one."}]
    rows = pl.DataFrame({"id": ["said", "asked"], "messages": [said, asked]})
    assert decontaminate(rows, index, SETTINGS, fields=["messages"]).kept["id"].to_list() == ["said"]


def test_no_benchmarks_and_no_rows():
    rows = pl.DataFrame({"id": ["a"], "problem": ["x"]})
    assert decontaminate(rows, load_index([]), SETTINGS, fields=["problem"]).kept.height == 1
    assert decontaminate(rows[:0], load_index([]), SETTINGS, fields=["problem"]).kept.height == 0


def test_a_missing_column_and_an_unknown_name_are_the_users_mistakes(index):
    with pytest.raises(UsageError, match="no column question"):
        find_hits(pl.DataFrame({"problem": ["a"]}), index, SETTINGS, fields=["question"])
    with pytest.raises(UsageError, match="no benchmark nonsense"):
        load_index(["nonsense"])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("AIME24", "aime24"),
        ("AIME 2024", "aime24"),
        ("aime_2025", "aime25"),
        ("MATH-500", "math500"),
        ("GPQA-Diamond", "gpqa_diamond"),
        ("GSM8K", "gsm8k_test"),
        ("HMMT-Feb-2025", "hmmt_feb_2025"),
        ("Paper", None),
    ],
)
def test_names_are_read_as_people_write_them(written, name):
    if name is None:
        with pytest.raises(UsageError) as error:
            load_index([written])
        assert "did you mean paper?" in str(error.value)
    else:
        assert [b.name for b in load_index([written]).benchmarks] == [name]


def test_the_prompt_behind_a_benchmarks_problems_is_no_part_of_them(tmp_path):
    told = f"{GEESE}\nPlease reason step by step, and put your final answer within \\boxed{{}}."
    (tmp_path / "told.jsonl").write_text(json.dumps({"id": "b0", "problem": told}))
    assert found(GEESE, load_index([tmp_path / "told.jsonl"])) == {"b0": "exact"}


def test_a_file_goes_before_a_name_that_is_only_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "AIME24").write_text(json.dumps({"problem": GEESE}) + "\n")
    (benchmark,) = load_index(["AIME24"]).benchmarks
    assert benchmark.name == "AIME24" and len(benchmark.ids) == 1


@pytest.mark.parametrize(("said", "meant"), [("AIMME24", "aime24"), ("GPQA-Dimond", "gpqa_diamond")])
def test_a_name_that_is_nearly_right_is_named_before_a_row_is_read(tmp_path, said, meant):
    (tmp_path / "rows.jsonl").write_text('{"problem": "1+1?"}\n')
    done = run_factory("decontaminate", "rows.jsonl", "--out", "o", "--against", said, cwd=tmp_path)
    line = f"factory: no benchmark {said}: neither a shipped index nor a file - did you mean {meant}?\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_the_outcome_does_not_depend_on_threads_or_chunks(index, monkeypatch):
    from factory.text import tokens

    texts = pl.DataFrame({"problem": [GEESE, "other", CIRCLE, SHORT] * 20})
    whole = find_hits(texts, index, SETTINGS, fields=["problem"])
    monkeypatch.setattr(tokens, "CHUNK_BYTES", 200)
    assert find_hits(texts, index, SETTINGS, fields=["problem"]).equals(whole)


def test_an_index_holds_no_text_and_survives_the_disk(index, tmp_path):
    path = save(index.benchmarks[0], tmp_path)
    again = read(path)
    assert again.ids == index.benchmarks[0].ids
    assert (again.words == index.benchmarks[0].words).all()
    import numpy as np

    with np.load(path) as stored:
        everything = b"".join(stored[name].tobytes() for name in stored.files).lower()
    for word in (b"saxony", b"cabbage", b"hexagon", b"enzyme"):
        assert word not in everything
    assert save(again, tmp_path / "b").read_bytes() == path.read_bytes()


def test_a_file_that_is_no_index_is_named(tmp_path):
    bad = tmp_path / "bad.index.npz"
    bad.write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="no benchmark index"):
        load_index([bad])


def test_build_command_and_names(tmp_path):
    data = tmp_path / "mine.jsonl"
    data.write_text(json.dumps({"id": "1", "problem": GEESE}))
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({"mine": {"licence": "MIT", "revision": "abc"}}))
    build_indexes([str(data)], tmp_path / "out", facts)
    loaded = load_index([tmp_path / "out"])
    assert [b.name for b in loaded.benchmarks] == ["mine"]
    assert loaded.facts[0]["licence"] == "MIT" and loaded.facts[0]["rows"] == 1


def test_the_shipped_indexes_cover_the_paper_and_its_neighbours():
    names = set(shipped())
    assert {
        "aime24",
        "aime25",
        "aime26",
        "math500",
        "math_test",
        "gpqa_diamond",
        "gsm8k_test",
        "minerva_math",
    } <= names
    assert {"olympiadbench_oe_to_maths_en", "hmmt_feb_2025", "omni_math_rule", "mmlu_stem", "amc23"} <= names
    assert [b.name for b in load_index(["paper"]).benchmarks] == ["aime24", "math500", "gpqa_diamond"]
    assert len(load_index(["all"]).benchmarks) == len(names)


def test_the_verb(tmp_path):
    data = tmp_path / "bench.jsonl"
    data.write_text(json.dumps({"id": "b0", "problem": GEESE}))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        json.dumps({"id": "x", "problem": GEESE}) + "\nnot json\n" + json.dumps({"id": "y", "problem": "hi"})
    )
    out = tmp_path / "out"
    words = ["decontaminate", rows, "--against", data, "--out"]
    first = run_factory(*words, out)
    assert first.returncode == 0, first.stderr
    assert "3 rows against 1 benchmarks: 1 kept, 2 dropped" in first.stdout.replace("\n", " ")
    manifest = json.loads((out / "_manifest.json").read_text())
    assert manifest["totals"]["certificate"]["rows_found"] == {"bench": {"exact": 1}}
    assert "nothing to do" in run_factory(*words, out).stdout
    wrong = run_factory(*words, tmp_path / "o2", "--field", "nope")
    assert wrong.returncode == 2 and "no column nope" in wrong.stderr


DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")
def test_positive_control_is_found_with_the_shipped_indexes():
    path = DATA / "decontamination" / "positive_control_llm_adapters_math_data.jsonl"
    texts = [json.loads(line)["problem"] for line in path.open(encoding="utf-8")]
    hits = find_hits(pl.DataFrame({"problem": texts}), load_index(["all"]), SETTINGS, fields=["problem"])
    assert hits.filter(pl.col("tier") != Tier.TEMPLATE)["row"].n_unique() >= 0.99 * len(texts)
