"""Chat columns where a verb asks for a text: duplicates by the whole dialogue, benchmarks by what the user asked, verdicts
by what the model said last."""

import json

import polars as pl
import pytest

from factory.run.parts import read_dropped, read_parts
from tests.support.cli import run_factory

ASKED = "A farmer plants 17 rows of 23 cabbages each and then loses 48 of them to frost. How many cabbages are left on the field?"


def chat(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.fixture
def chats(tmp_path):
    rows = [
        {"n": 0, "messages": chat(ASKED, "There are 17 times 23 cabbages, less 48: 343.")},
        {"n": 1, "messages": chat(ASKED, "There are 17 times 23 cabbages, less 48: 343.")},
        {
            "n": 2,
            "messages": chat("Name the largest two-digit prime number, and say why it is one.", "It is 97."),
        },
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def factory(*arguments):
    done = run_factory(*arguments)
    assert done.returncode == 0, done.stderr


def test_dedup_reads_the_dialogue(chats, tmp_path):
    factory("dedup", chats, "--field", "messages", "--out", tmp_path / "out")
    kept = read_parts(tmp_path / "out")
    assert kept["n"].to_list() == [0, 2]
    assert kept["messages"][0].to_list() == chat(ASKED, "There are 17 times 23 cabbages, less 48: 343.")


def test_decontaminate_finds_a_problem_that_the_user_asked(chats, tmp_path):
    against = tmp_path / "bench.jsonl"
    against.write_text(json.dumps({"id": "b1", "problem": ASKED, "answer": "343"}) + "\n")
    factory("decontaminate", chats, "--field", "messages", "--against", against, "--out", tmp_path / "out")
    assert read_parts(tmp_path / "out")["n"].to_list() == [2]
    assert read_dropped(tmp_path / "out").height == 2


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("column", "keys", "names"),
    [
        ("messages", ("role", "content"), ("user", "assistant")),
        ("conversations", ("from", "value"), ("human", "gpt")),
    ],
)
def test_verify_reads_the_model_s_last_message(tmp_path, suffix, column, keys, names):
    said = [
        "<think>17 times 23 is 391.</think>\n\\boxed{343}",
        "\\boxed{344}",
        "\\boxed{344}",
        "It is \\boxed{343}.",
    ]
    rows = [
        {"answer": "343", column: [(0, ASKED), (1, said[0])]},
        {"answer": "343", column: [(0, ASKED), (1, said[1])]},
    ]
    rows.append(
        {"answer": "343", column: [(0, ASKED), (1, said[2]), (0, "Sure?"), (1, said[3]), (0, "Thanks")]}
    )
    for row in rows:
        row[column] = [dict(zip(keys, (names[who], text), strict=True)) for who, text in row[column]]
    path = tmp_path / f"chat.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pl.DataFrame(rows).write_parquet(path)
    factory("verify", path, "--out", tmp_path / "out")
    checked = read_parts(tmp_path / "out")
    assert checked["verdict"].to_list() == ["correct", "incorrect", "correct"]
    assert checked["reasoning"].to_list() == ["17 times 23 is 391.", None, None]
    assert checked["problem"][0] == ASKED and checked[column].to_list() == [row[column] for row in rows]
