"""One row before one spends: `generate --preview`, `doctor --teacher`; servers that are there, absent or mute."""

import json

import pytest

from tests.support.cli import run_factory


@pytest.fixture
def server(serve):
    return serve()


def ask(server, *words):
    return run_factory(
        *words, "--teacher", "vllm", "--model", "fake-r1", "--base-url", server.url, COLUMNS="120"
    )


@pytest.fixture
def problems(tmp_path):
    rows = [{"id": f"p{i}", "problem": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(30)]
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_preview_shows_answers_and_the_price_of_the_job(server, problems, tmp_path):
    words = (
        "generate",
        problems,
        "--out",
        tmp_path / "out",
        "--price",
        "1,2",
        "--max-usd",
        "5",
        "--samples",
        "4",
    )
    done = ask(server, *words, "--preview", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("user: Please reason step by step") == 3
    assert done.stdout.count("reasoning:") == done.stdout.count("answer: ") == 3
    assert "120 responses, from a pilot of 3" in done.stdout and "dollars" in done.stdout
    assert server.get("stats")["asked"] == 3 and not list((tmp_path / "out").glob("part-*"))
    done = ask(server, *words)
    assert done.returncode == 0, done.stderr
    assert server.get("stats")["asked"] == 120, "the previewed answers are not asked for again"


def test_a_preview_keeps_to_the_budget(server, problems, tmp_path):
    words = ("generate", problems, "--out", tmp_path / "out", "--max-tokens-total", "1")
    done = ask(server, *words, "--preview", "3")
    assert done.returncode == 3 and server.get("stats")["asked"] == 0


def test_doctor_asks_an_endpoint_one_question(server):
    done = ask(server, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(line.split("\t")[:2] for line in done.stdout.splitlines() if "\t" in line)
    assert said["vllm"].startswith("answered") and "fake-r1" in said["model"]
    assert said["reasoning"].endswith("characters") and said["price"] == "not known"
    assert server.get("stats")["asked"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--teacher", "vllm", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"), "cannot be used"),
        (("--teacher", "qwen33"), "did you mean qwen3?"),
        (("--teacher", "deepseek-r1"), "DEEPSEEK_API_KEY"),
    ],
)
def test_doctor_says_why_an_endpoint_cannot_be_used(words, said):
    done = run_factory("doctor", *words, DEEPSEEK_API_KEY="", COLUMNS="200")
    assert done.returncode in (1, 2) and said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_asks_the_procedural_teacher_what_it_can_answer(tmp_path):
    done = run_factory("doctor", "--teacher", "procedural", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "answered: " in done.stdout and "it costs nothing" in done.stdout
