import json
import subprocess
import sys

import polars as pl
import pytest

from factory.config.problems import SourceSection
from factory.errors import UsageError
from factory.run.parts import read_parts
from factory.run.step_writer import StepWriter
from factory.sources.families import FAMILIES
from factory.sources.normalise import read_choices
from factory.sources.problems import problem_id, read_problems
from factory.steps import imports
from schemas import PROBLEM, Level


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_given_ids_stay_and_missing_ones_come_from_source_and_text(tmp_path):
    path = write(
        tmp_path / "seed.jsonl",
        {"id": "a", "problem": "1+1?", "answer": 2},
        {"problem": "2+2?", "answer": "4"},
    )
    rows = read_problems(path).rows
    assert rows.columns == PROBLEM.names
    assert rows["id"].to_list() == ["a", problem_id("seed", "2+2?")]
    assert rows["answer"].to_list() == ["2", "4"] and rows["source"].to_list() == ["seed", "seed"]
    assert problem_id("seed", "2+2?").startswith("p-") and len(problem_id("seed", "2+2?")) == 18


def test_rows_that_are_there_twice_and_empty_texts_are_dropped_with_their_place(tmp_path):
    path = write(
        tmp_path / "seed.jsonl",
        {"id": "a", "problem": "x"},
        {"id": "a", "problem": "y"},
        {"id": 7, "problem": " "},
        {"problem": None},
        {"problem": "x"},
        {"problem": "x"},
    )
    with path.open("a", encoding="utf-8") as handle:
        handle.write("{broken\n")
    result = read_problems(path)
    assert result.rows["problem"].to_list() == ["x", "y", "x"]
    assert result.rows["id"].to_list() == ["a", problem_id("seed", "y"), problem_id("seed", "x")]
    assert result.rows_in == 7
    found = sorted(zip(result.dropped["row_id"], result.dropped["reason"], strict=True))
    assert found == sorted(
        [
            ("7", "no_problem_text"),
            (f"{path}:4", "no_problem_text"),
            (problem_id("seed", "x"), "duplicate_id"),
            (f"{path}:7", "malformed_json"),
        ]
    )


def test_files_that_number_their_rows_alike_lose_no_problem(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FACTORY_PROGRESS", "plain")
    paths = [
        write(
            tmp_path / f"{name}.jsonl",
            *({"id": i, "problem": f"{name} {i}?", "answer": "1"} for i in range(5)),
        )
        for name in ("first", "second", "third")
    ]
    result = read_problems(paths)
    assert result.rows["problem"].to_list() == [
        f"{n} {i}?" for n in ("first", "second", "third") for i in range(5)
    ]
    assert result.rows["id"].is_unique().all() and not result.dropped.height
    assert result.rows["id"][:5].to_list() == list("01234"), "the first keeps what it has"
    assert result.rows["id"][7] == problem_id("second", "second 2?")
    assert [json.loads(row)["id"] for row in result.rows["metadata"][5:10]] == list("01234")
    assert "10 problems had the id of another problem" in capsys.readouterr().err
    assert read_problems(paths, limit=7).rows["problem"].to_list() == result.rows["problem"][:7].to_list()


def test_one_text_with_two_golds_is_two_problems_until_dedup_decides(tmp_path):
    path = write(tmp_path / "seed.jsonl", *({"problem": "x?", "answer": gold} for gold in "1213"))
    result = read_problems(path)
    assert result.rows["answer"].to_list() == ["1", "2", "3"]
    assert result.rows["id"].is_unique().all() and result.dropped["reason"].to_list() == ["duplicate_id"]
    assert read_problems(path).rows.equals(result.rows)


def test_one_question_with_other_choices_is_another_problem(tmp_path):
    """MMLU asks "Which of these is true?" many times; its options stand in a column of their own."""
    options = [["red", "blue"], ["cat", "dog"], ["one", "two"], ["red", "blue"]]
    rows = [{"problem": "Which of these is true?", "answer": "A", "choices": each} for each in options]
    for named in (rows, [row | {"id": "7"} for row in rows]):
        path = write(tmp_path / "seed.jsonl", *named)
        read = read_problems(path)
        assert read.rows["choices"].to_list() == options[:3] and read.rows["id"].is_unique().all()
        assert read.dropped["reason"].to_list() == ["duplicate_id"]
        imports.run([SourceSection(path=str(path))], tmp_path / "p", tmp_path / "r")
        assert read_parts(tmp_path / "p")["choices"].to_list() == options[:3]
        assert read_parts(tmp_path / "p")["id"].is_unique().all()


def test_other_fields_and_what_the_table_does_not_know(tmp_path):
    path = write(
        tmp_path / "b.jsonl",
        {
            "question": "q",
            "gold": 1.5,
            "subject": "Algebra",
            "level": "5",
            "license": "MIT",
            "metadata": {"k": 1},
        },
        {"question": "r", "gold": "", "level": "college", "metadata": "free text"},
    )
    rows = read_problems(path, problem_field="question", answer_field="gold").rows.to_dicts()
    assert rows[0]["answer"] == "1.5" and rows[0]["answer_source"] == "given" and rows[0]["licence"] == "MIT"
    assert rows[0]["level"] is None
    assert json.loads(rows[0]["metadata"]) == {"k": 1, "level": "5", "subject": "Algebra"}
    assert (
        rows[1]["answer"] is None and rows[1]["answer_source"] is None and rows[1]["level"] == Level.COLLEGE
    )
    assert json.loads(rows[1]["metadata"]) == {"metadata": "free text"}
    with pytest.raises(UsageError, match=r"b\.jsonl has no column problem \(columns there: question"):
        read_problems(path)
    with pytest.raises(UsageError, match="no column key"):
        read_problems(path, problem_field="question", answer_field="key")


@pytest.mark.parametrize("as_text", [False, True])
def test_a_chat_is_asked_by_its_words_and_not_as_json(as_text, tmp_path):
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "1+1?"}]
    path = write(tmp_path / "verl.jsonl", {"prompt": json.dumps(chat) if as_text else chat, "answer": "2"})
    assert read_problems(path, problem_field="prompt").rows["problem"].to_list() == ["1+1?"]
    path = write(tmp_path / "list.jsonl", {"prompt": [{"x": 1}], "answer": "2"})
    found = read_problems(path, problem_field="prompt")
    assert (found.rows.height, found.dropped["reason"].to_list()) == (0, ["no_problem_text"])


def test_a_step_folder_reads_back_as_it_was(tmp_path):
    rows = read_problems("procedural:all?count=30&seed=2").rows
    with StepWriter(tmp_path / "s", "problems", PROBLEM) as writer:
        writer.keep(rows)
        writer.finish(rows_in=30)
    again = read_problems(tmp_path / "s").rows
    assert again.drop("metadata").equals(rows.drop("metadata"))
    assert [json.loads(m) for m in again["metadata"]] == [json.loads(m) for m in rows["metadata"]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["x", "y"], ["x", "y"]),
        ('{"B": "two", "A": "one"}', ["one", "two"]),
        ("['A)5', 'B)6']", ["5", "6"]),
        (["A. left", "B. right"], ["left", "right"]),
        (["A big dog", "B minor"], ["A big dog", "B minor"]),
        ("__import__('os')", None),
        ("", None),
        (None, None),
    ],
)
def test_choices_in_every_dress(given, expected):
    assert read_choices(given) == expected


def test_limit_counts_over_sources(tmp_path):
    path = write(tmp_path / "a.jsonl", *[{"problem": f"p{i}"} for i in range(5)])
    rows = read_problems([path, "procedural:all?count=50"], limit=8).rows
    assert rows.height == 8 and rows["source"].to_list()[:5] == ["a"] * 5


def test_procedural_is_seeded_distinct_and_prefix_stable():
    one = read_problems("procedural:all?count=480&seed=5").rows
    assert one.equals(read_problems("procedural:all?count=480&seed=5").rows)
    assert one.head(100).equals(read_problems("procedural:all?count=100&seed=5").rows)
    assert not one.equals(read_problems("procedural:all?count=480&seed=6").rows)
    assert one["id"].n_unique() == one["problem"].n_unique() == 480
    assert set(one["level"]) == set(Level) and one["source"].n_unique() == len(FAMILIES)
    assert one.equals(read_problems("procedural:all?count=480", seed=5).rows)


def test_procedural_is_the_same_in_another_process():
    code = (
        "from factory.sources.problems import read_problems;"
        "print(read_problems('procedural:all?count=240&seed=1').rows.hash_rows(seed=0).sum())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_some_problems_are_told_again_and_only_some():
    rows = read_problems("procedural:all?count=1000&seed=1&repeats=0.1").rows
    told = [json.dumps([m["family"], m["params"]]) for m in map(json.loads, rows["metadata"])]
    assert 40 < len(told) - len(set(told)) < 160
    none = read_problems("procedural:modular_chain?count=500&seed=1&repeats=0&style=terse&steps=4").rows
    assert none["problem"].str.contains("Question|Show").sum() == 0


def test_terse_settings_reach_the_problems():
    rows = read_problems(
        "procedural:modular_chain?count=300&seed=1&steps=3-5&modulus=10&style=terse&repeats=0"
    ).rows
    params = [json.loads(m)["params"] for m in rows["metadata"]]
    assert {len(p["ops"]) for p in params} == {3, 4, 5} and {p["modulus"] for p in params} == {10}
    assert max(rows["problem"].str.len_chars()) < 60


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("procedural:modular_chains", "did you mean modular_chain"),
        ("procedural:", "nothing after"),
        ("procedural:all?cuont=3", "unknown setting cuont"),
        ("procedural:all?count=many", "not a whole number"),
        ("procedural:all?count=0", "at least 1"),
        ("procedural:all?levels=primary", "level primary is not one of"),
        ("procedural:unit_order?levels=elementary", "no chosen family has level"),
        ("procedural:unit_order?steps=3", "no chosen family has steps"),
        ("procedural:modular_chain?steps=5-3", "is not like"),
        ("procedural:modular_chain?style=short", "not one of: long, terse"),
        ("procedural:modular_chain?repeats=1", "share"),
        ("procedural:modular_chain?count=100000&steps=1&modulus=2&style=terse", "too few different problems"),
        ("procedural:all?count", "form key=value"),
        ("procedural:all?count=1&count=2", "given twice"),
        ("reasoning_gym:chain_som", "chain_sum"),
        ("hf://datasets/only", "not of the form"),
    ],
)
def test_a_wrong_spec_is_one_clear_line(spec, says):
    with pytest.raises(UsageError, match=says) as caught:
        read_problems(spec)
    assert "\n" not in str(caught.value)


def test_reasoning_gym_entries_can_be_scored_by_the_library():
    gym = pytest.importorskip("reasoning_gym")
    rows = read_problems("reasoning_gym:chain_sum+gcd?count=7&seed=3").rows
    assert rows.height == 7 and set(rows["source"]) == {"reasoning_gym:chain_sum", "reasoning_gym:gcd"}
    for row in rows.iter_rows(named=True):
        metadata = json.loads(row["metadata"])
        score = gym.get_score_answer_fn(metadata["task"])
        assert score(row["answer"], metadata["entry"]) == 1.0
        assert score("no", metadata["entry"]) < 1.0
    with pytest.raises(UsageError, match="refuses these settings"):
        read_problems("reasoning_gym:chain_sum?count=2&nonsense=1")


def test_hub_rows_come_through_datasets(tmp_path):
    datasets = pytest.importorskip("datasets")
    from factory.sources.hub import table_of

    loaded = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_list([{"problem": f"{name}{i}", "answer": "1"} for i in range(4)])
            for name in ("train", "test")
        }
    )
    assert table_of(loaded, "hf://x", 3)["problem"].to_list() == ["train0", "train1", "train2"]
    with pytest.raises(UsageError, match="has the splits test, other"):
        table_of(datasets.DatasetDict(test=loaded["test"], other=loaded["test"]), "hf://x", None)


def test_all_real_benchmark_files_are_read_whole(real_data):
    for path in sorted((real_data / "benchmarks").glob("*.jsonl")):
        result = read_problems(path)
        lines = sum(1 for line in path.read_bytes().splitlines() if line.strip())
        assert result.rows_in == lines, path.name
        assert result.rows.height > 0.9 * lines and isinstance(result.rows["choices"].dtype, pl.List)
