"""`factory init` writes a recipe that passes a dry run, for every layout; what it cannot do it says in one line."""

import json
import os
import pty
import subprocess

import polars as pl
import pytest
import yaml

from factory.cli import run as run_verb
from factory.cli.main import build_app
from factory.config.load import load_recipe
from tests.sources.test_import import SETS
from tests.support.cli import COMMAND, run_factory

CODE = {
    "HumanEval": {
        "task_id": "HumanEval/0", "prompt": "def add(a, b):\n    \"\"\"Add two numbers.\"\"\"\n", "entry_point": "add",
        "canonical_solution": "    return a + b\n", "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    },
    "MBPP": {
        "task_id": 1, "text": "Write a function to add two numbers.", "code": "def add(a, b):\n    return a + b",
        "test_list": ["assert add(1, 2) == 3"], "test_setup_code": "", "challenge_test_list": [],
    },
    "APPS": {
        "problem_id": 1, "question": "Read two numbers and print their sum.", "solutions": "[]",
        "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]}), "difficulty": "introductory",
    },
}  # fmt: skip
ROWS = {name: row for name, (_, row, _, _) in SETS.items()} | CODE


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("OPENROUTER_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def write(name, *rows):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return name


def init(*words):
    build_app().main(args=["init", *map(str, words)], standalone_mode=False)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_for_every_layout_passes_a_dry_run(name, suffix, capsys):
    if suffix == "parquet":
        pl.DataFrame([ROWS[name]], strict=False).write_parquet("given.parquet")
    else:
        write("given.jsonl", ROWS[name])
    init(f"given.{suffix}")
    run_verb.command("given.yaml", dry_run=True)
    recipe = load_recipe("given.yaml")
    came = bool(SETS[name][3]) if name in SETS else False
    assert recipe.generate.samples == (0 if came else 8)
    assert (recipe.budget.max_usd is None) == came
    assert recipe.generate.prompts == ({} if name not in CODE else {"code": recipe.generate.prompts["code"]})
    said = capsys.readouterr().out
    assert "all 1 rows: 1 different problems" in said
    assert ("OPENROUTER_API_KEY is not set" in said) == (not came)  # said, not refused: nothing is asked yet


def test_what_was_seen_decides_the_recipe():
    answer = "<think>\nwell\n</think>\n\\boxed{5}"
    write("plain.jsonl", *({"problem": f"What is {n} + 3?", "response": answer} for n in range(3)))
    init("plain.jsonl")
    recipe = load_recipe("plain.yaml")
    assert (recipe.datasets.keep, recipe.train, recipe.difficulty.student) == ("all", None, "student")
    write("many.jsonl", *({"problem": "What is 2 + 3?", "response": f"{answer} {n}"} for n in range(3)))
    init("many.jsonl")
    recipe = load_recipe("many.yaml")
    assert (recipe.datasets.keep, recipe.verify.majority, recipe.difficulty.student) == (
        "correct",
        True,
        "teacher",
    )
    write("bare.jsonl", {"problem": "What is 2 + 3?", "answer": "5", "response": "It is \\boxed{5}."})
    init("bare.jsonl", "--teacher", "qwq", "--samples", "4", "--against", "aime24", "--student", "tiny_base")
    recipe = load_recipe("bare.yaml")
    assert (recipe.generate.teacher, recipe.generate.samples, recipe.budget.max_usd) == ("qwq", 4, None)
    assert recipe.decontamination.against == ["aime24"] and recipe.train.student.model == "tiny_base"
    init("bare.jsonl", "--out", "again.yaml", "--name", "again")
    assert load_recipe("again.yaml").datasets.need_reasoning is False


def test_the_recipe_reads_what_the_flags_say_of_the_files():
    write("odd.jsonl", {"q": {"text": "What is 2 + 3?"}, "gold": 5})
    write("other.jsonl", {"q": {"text": "What is 2 + 4?"}, "gold": 6})
    init("odd.jsonl", "other.jsonl", "--fields", "problem=q.text", "--licence", "CC BY 4.0")
    (first, second) = load_recipe("odd.yaml").problems.sources
    assert (first.path, first.fields, first.licence) == ("odd.jsonl", {"problem": "q.text"}, "CC BY 4.0")
    assert second.path == "other.jsonl"


@pytest.mark.parametrize(
    "name",
    ["no.jsonl", "täst file (1).jsonl", "#x: [y].jsonl", "'.jsonl", "- a.jsonl", "null.jsonl", "..jsonl"],
)
def test_any_name_of_a_file_makes_a_recipe_that_reads(name):
    write(name, {"problem": "What is 2 + 3?", "answer": "5", "response": "<think>x</think>5"})
    done = run_factory("init", f"./{name}", "--out", "made.yaml")
    assert done.returncode == 0, done.stderr
    assert load_recipe("made.yaml").problems.sources[0].path == f"./{name}"
    done = run_factory("run", "made.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nosuch.jsonl"], "nosuch.jsonl does not exist"),
        (["good.jsonl", "--out", "there.yaml"], "there.yaml is there already"),
        (["good.jsonl", "--out", "nowhere/x.yaml"], "nowhere is not a folder"),
        (["good.jsonl", "--teacher", "deepsek-r1"], "did you mean deepseek-r1?"),
        (["good.jsonl", "--teacher", "vllm"], "--teacher: vllm needs a model"),
        (["good.jsonl", "--against", "amie24"], "did you mean aime24?"),
        (["good.jsonl", "--samples", "0"], "--samples"),
        (["good.jsonl", "--max-usd", "5", "--teacher", "qwq"], "max_usd needs prices"),
        (["traces.jsonl", "--samples", "4"], "name one with --teacher"),
        (["traces.jsonl", "--samples", "4", "--teacher", "none"], "--teacher is none"),
        (["good.jsonl", "--name", "a b"], "name"),
        (["good.jsonl", "--layout", "opener1"], "did you mean openr1?"),
        (["good.jsonl", "--fields", "problem"], "--fields problem is not of the form NAME=VALUE"),
        (["empty.jsonl"], "empty.jsonl holds no row"),
        (["null.jsonl"], "problem holds no text in the first 1 rows"),
        (["turns.jsonl"], "none of the rows that were looked at holds a problem"),
        ([], "is missing"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(words, says, tmp_path):
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    write("good.jsonl", {"problem": "What is 2 + 3?", "answer": "5"})
    write("traces.jsonl", {"problem": "What is 2 + 3?", "answer": "5", "response": "<think>x</think>5"})
    write("null.jsonl", {"problem": None, "response": "5"})
    write("turns.jsonl", {"messages": chat * 2})
    write("empty.jsonl")
    write("there.yaml", {})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = run_factory("init", *words)
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1 and says in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_terminal_is_asked_five_questions_at_most_and_again_where_the_answer_is_none(tmp_path):
    write("good.jsonl", {"problem": "What is 2 + 3?", "answer": "5"})
    ours, theirs = pty.openpty()
    command = [*COMMAND, "init", "good.jsonl"]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "COLUMNS": "80"}
    )
    os.close(theirs)
    os.write(ours, b"deepsek-r1\ndeepseek-r1\nmany\n3\n\naime24, math500\n\n")
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert child.wait() == 0, said
    recipe = yaml.safe_load((tmp_path / "good.yaml").read_text())
    assert recipe["generate"]["samples"] == 3 and recipe["budget"]["max_usd"] == 20
    assert recipe["decontamination"]["against"] == ["aime24", "math500"] and recipe["train"] is None
    text = said.decode()
    assert "did you mean deepseek-r1?" in text and "many is not a whole number" in text
    assert sum(line.count("]: ") for line in text.splitlines()) == 5 + 2
