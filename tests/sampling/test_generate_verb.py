"""`factory generate`, `estimate`, `teachers` and `status` as a user runs them."""

import json
from pathlib import Path

import pytest

from factory.run.parts import read_dropped, read_parts
from tests.support.cli import run_factory

ROOT = Path(__file__).parents[2]


def factory(*arguments, **environment):
    return run_factory(*arguments, cwd=ROOT, **environment)


def test_the_verb_from_a_file_to_rows(serve, tmp_path):
    server = serve(key="right")
    lines = [json.dumps({"question": f"What is {i} + 1?", "gold": i + 1}) for i in range(5)]
    (tmp_path / "p.jsonl").write_text("\n".join([*lines, "{broken"]))
    command = ["generate", tmp_path / "p.jsonl", "--teacher", "deepseek-r1", "--base-url", server.url]
    command += [
        "--out",
        tmp_path / "out",
        "--samples",
        "2",
        "--problem-field",
        "question",
        "--answer-field",
        "gold",
    ]
    command += ["--api-key-env", "MY_KEY", "--max-tokens", "99", "--max-usd", "5"]
    done = factory(*command, MY_KEY="right")
    assert done.returncode == 0, done.stderr
    rows = read_parts(tmp_path / "out")
    assert rows.height == 10
    assert rows["answer"].to_list() == [str(i + 1) for i in range(5) for _ in (0, 1)]
    assert read_dropped(tmp_path / "out").height == 1
    assert rows["usd"].sum() > 0
    again = factory(*command, MY_KEY="right")
    assert "nothing to do" in again.stdout
    assert server.get("stats")["asked"] == 10
    status = json.loads(factory("status", tmp_path / "out", "--json").stdout)
    assert status["steps"][0]["rows_out"] == 10
    assert status["stores"][0]["responses"][0]["responses"] == 10
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"right" not in path.read_bytes().replace(b"byteright", b"")


NO_KEYS = {"DEEPSEEK_API_KEY": "", "OPENROUTER_API_KEY": ""}


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--teacher", "deepseek-r1"], 2, "OPENROUTER_API_KEY is not set"),
        (["--teacher", "deepseek-r1"], 2, "or serve R1 yourself (--teacher deepseek-r1-local)"),
        (["--teacher", "deepseek-flash"], 2, "DEEPSEEK_API_KEY is not set"),
        (["--teacher", "nobody"], 2, "no teacher called nobody"),
        (["--teacher", "vllm"], 2, "needs a model"),
        (["--teacher", "transformers"], 2, "needs a checkpoint"),
        (["--teacher", "vllm", "--model", "m", "--base-url", "localhost"], 2, "is not an endpoint"),
        (["--teacher", "vllm", "--model", "m", "--base-url", "http://127.0.0.1:9"], 1, "cannot reach"),
        (["--teacher", "procedural", "--prompt", "no slot"], 2, "no {problem}"),
        (["--teacher", "procedural", "--truncation", "maybe"], 2, "--truncation"),
        (["--teacher", "procedural", "--truncation", "continue"], 2, "cannot go on"),
        (["--teacher", "procedural", "--concurrency", "many"], 2, "--concurrency"),
        (["--teacher", "procedural", "--price", "1"], 2, "--price"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, code, line):
    (tmp_path / "p.jsonl").write_text('{"problem": "1 + 1?"}')
    done = factory("generate", tmp_path / "p.jsonl", "--out", tmp_path / "o", *arguments, **NO_KEYS)
    assert done.returncode == code, done.stderr
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_dry_run_asks_nothing_and_needs_no_key(serve, tmp_path):
    (tmp_path / "p.jsonl").write_text('{"problem": "1 + 1?"}')
    done = factory("generate", tmp_path / "p.jsonl", "--out", tmp_path / "o", "--dry-run", **NO_KEYS)
    assert done.returncode == 0, done.stderr
    assert "1 problems x 8 samples = 8 responses" in done.stdout
    assert "1 + 1?" in done.stdout
    assert "at the very most $0.66" in done.stdout
    assert not (tmp_path / "o").exists()


def test_the_estimate_holds_and_its_pilot_is_not_wasted(serve, tmp_path):
    server = serve(tokens=[20, 60], text="The answer is \\boxed{2}.")
    (tmp_path / "p.jsonl").write_text(
        "\n".join(json.dumps({"problem": f"{i} + 1 = ?", "answer": 2 if i % 2 else 3}) for i in range(200))
    )
    common = [
        tmp_path / "p.jsonl",
        "--teacher",
        "vllm",
        "--model",
        "m",
        "--base-url",
        server.url,
        "--price",
        "1,2",
    ]
    common += ["--out", tmp_path / "out", "--samples", "3", "--max-tokens", "100"]
    done = factory("estimate", *common, "--pilot", "30")
    assert done.returncode == 0, done.stderr
    assert server.get("stats")["asked"] == 30
    told = json.loads((tmp_path / "out" / "__side" / "_estimate.json").read_text())
    assert told["requests"] == 600
    done = factory("generate", *common)
    assert done.returncode == 0, done.stderr
    assert server.get("stats")["asked"] == 600
    totals = json.loads((tmp_path / "out" / "_manifest.json").read_text())["totals"]
    for name in ("usd", "completion_tokens"):
        assert told[name]["low"] <= totals[name] <= told[name]["high"]
    assert told["accepted"]["low"] <= 300 <= told["accepted"]["high"]
    assert "estimate of usd: told" in done.stdout


def test_a_job_whose_every_request_failed_is_a_failure(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"problem": "1 + 1?"}')
    command = ["generate", tmp_path / "p.jsonl", "--teacher", "procedural", "--out", tmp_path / "out"]
    for _again in range(2):
        done = factory(*command, "--samples", "2")
        assert done.returncode == 1, done.stderr
        assert "all 2 requests failed" in done.stderr


def test_a_pilot_is_not_asked_for_a_folder_that_the_job_could_not_write(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    done = factory(
        "estimate", "procedural:all?count=20", "--teacher", "procedural", "--out", tmp_path / "out"
    )
    assert done.returncode == 2 and "notes.txt was not written by step generate" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_teachers_shows_presets_and_no_keys():
    done = factory("teachers", DEEPSEEK_API_KEY="sk-secret", COLUMNS="160")
    assert "deepseek-r1" in done.stdout
    assert "DEEPSEEK_API_KEY" in done.stdout
    assert "sk-secret" not in done.stdout
    shown = factory("teachers", "deepseek-r1").stdout
    assert "https://openrouter.ai" in shown
    assert "2026-07-24" in shown
    assert factory("teachers", "nobody").returncode == 2
