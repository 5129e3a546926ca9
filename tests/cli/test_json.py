"""Every verb that ends says its facts as one JSON object with `--json`; the words of its help work alike everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import polars as pl
import pytest

import factory
from factory.cli.main import ENDLESS, VERBS, _arguments, build_app
from factory.cli.show import as_json, say, show, wrote
from factory.errors import FactoryError
from tests.publishing.conftest import build_run

PROBLEMS = [
    {
        "id": f"p{i}",
        "problem": f"What is {i} + {i}?",
        "answer": str(2 * i),
        "source": "mine",
        "licence": "MIT",
    }
    for i in range(6)
]
RESPONSES = [row | {"response": f"<think>Add.</think>It is \\boxed{{{row['answer']}}}."} for row in PROBLEMS]

WORDS = {
    "init": "responses.jsonl --teacher none --out new.yaml",
    "run": "quickstart --dry-run",
    "status": "run",
    "store": "backup generated --out backup.sqlite",
    "why": "p-000001 --run run",
    "report": "run --out report.html",
    "import": "responses.jsonl --out imported",
    "generate": "procedural:counting?count=4 --teacher procedural --samples 2 --out generated",
    "estimate": "procedural:counting?count=4 --teacher procedural --samples 2 --out estimated --pilot 4",
    "verify": "responses.jsonl --out verified",
    "dedup": "problems.jsonl --out unique",
    "decontaminate": "problems.jsonl --against problems.jsonl --out clean",
    "difficulty": "procedural:counting?count=4 --student procedural --out hard",
    "pairs": "run/verdicts/labelled --out paired --max-format-bias 1 --max-length-bias 9",
    "select": "run/verdicts/labelled --set sft --out chosen",
    "eval": "procedural --benchmark procedural:counting?count=4 --samples 1 --out scored",
    "card": "run",
    "papers": "run",
    "export": "run --for trl --out exported",
    "publish": "me/farm --run run --dry-run",
    "teachers": "",
    "pilot": "procedural:counting?count=4 --teacher procedural --out piloted",
    "benchmarks": "",
    "schema": "recipe",
    "doctor": "",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("json")
    for name, rows in (("problems", PROBLEMS), ("responses", RESPONSES)):
        pl.DataFrame(rows).write_ndjson(place / f"{name}.jsonl")
    build_run(place / "run")
    return place


def call(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a verb prints; it must end well."""
    capsys.readouterr()
    code = build_app().main(args=_arguments(words.split()), prog_name="factory", standalone_mode=False)
    assert not code
    return capsys.readouterr().out


def test_the_list_of_verbs_is_complete() -> None:
    # compare and ladder train; they are run where their students are (tests/pipeline/test_compare.py, test_ladder.py).
    assert set(WORDS) | {"compare", "ladder"} | set(ENDLESS) == set(VERBS)


@pytest.mark.parametrize("verb", WORDS)
def test_json_is_all_that_is_printed(verb: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("FACTORY_PROGRESS", "off")
    if verb == "store":
        call(f"generate {WORDS['generate']}", capsys)
    if verb == "publish":
        pytest.importorskip("huggingface_hub")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = json.loads(call(f"{verb} {WORDS[verb]} --json", capsys))
    if verb not in ("status", "schema"):  # they print what they are asked for as it is
        assert found["verb"] == verb
        assert found["lines"] or found["tables"]
    for folder in found.get("written", []):
        assert folder["rows_out"] == pl.read_parquet(f"{folder['out']}/*.parquet").height
        assert folder["rows_in"] == folder["rows_out"] + sum(folder["dropped"].values())


def test_steps_tell_their_rows_and_totals(place: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(place)
    found = json.loads(call("verify responses.jsonl --out told --json", capsys))
    (folder,) = found["written"]
    assert (folder["out"], folder["made"], folder["rows_out"], folder["totals"]["verdicts"]) == (
        "told",
        True,
        6,
        {"correct": 6},
    )
    assert found["tables"][0] == {
        "title": "verdicts in told",
        "rows": [{"verdict": "correct", "responses": 6, "share": 1.0}],
    }
    assert json.loads(call("verify responses.jsonl --out told --json", capsys))["written"][0]["made"] is False


@pytest.mark.parametrize("verb", ENDLESS)
def test_a_verb_without_an_end_has_no_json(verb: str) -> None:
    with pytest.raises(click.UsageError, match="No such option"):
        build_app().main(args=[verb, "--json"], prog_name="factory", standalone_mode=False)


def test_figures_lose_their_form_and_texts_do_not(capsys) -> None:
    with as_json("x"):
        show(
            "t",
            ("name", ">n"),
            [("1,000", "1,234"), ("-", "-"), ("a", "88.7%"), ("b", "$0.25"), ("c", "12-13"), ("\x1b[2Jd", 7)],
        )
        say("line", "", "other")
        say("not this", err=True)
        wrote(out=Path("here"))
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert [row["n"] for row in found["tables"][0]["rows"]] == [1234, None, 0.887, 0.25, "12-13", 7]
    assert [row["name"] for row in found["tables"][0]["rows"]][:2] == ["1,000", "-"]
    assert (found["lines"], found["written"]) == (["line", "other"], [{"out": "here"}])
    assert "\x1b" not in captured.out and "not this" in captured.err


def test_a_failure_prints_no_json_and_an_exit_code_keeps_it(capsys) -> None:
    with pytest.raises(FactoryError), as_json("x"):
        say("almost")
        raise FactoryError("no")
    assert capsys.readouterr().out == ""
    with pytest.raises(click.exceptions.Exit), as_json("doctor"):
        say("broken")
        raise click.exceptions.Exit(1)
    assert json.loads(capsys.readouterr().out)["lines"] == ["broken"]
    say("shown again")
    assert capsys.readouterr().out == "shown again\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_help_in_three_spellings(verb: str, capsys) -> None:
    texts = {call(f"{words}", capsys) for words in (f"{verb} --help", f"{verb} -h", f"help {verb}")}
    assert len(texts) == 1
    assert ("--json" in texts.pop()) is (verb not in ENDLESS)


def test_version_and_help_of_the_whole(capsys) -> None:
    assert call("--version", capsys) == call("version", capsys) == f"{factory.__version__}\n"
    assert call("-h", capsys) == call("--help", capsys) == call("help", capsys)


def test_off_a_terminal_a_key_is_on_one_line_with_its_doc(capsys) -> None:
    lines = [
        line
        for line in call("schema recipe", capsys).splitlines()
        if line.startswith("deduplication.threshold\t")
    ]
    assert len(lines) == 1 and len(lines[0].split("\t")) == 4


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_verbs_and_flags(shell: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def completed(words: str, last: str) -> str:
        monkeypatch.setenv("_FACTORY_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", f"factory {words} {last}" if shell != "fish" else f"factory {words}")
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) + 1) if shell != "fish" else last)
        with pytest.raises(SystemExit):
            build_app().main(args=[], prog_name="factory", standalone_mode=False)
        return capsys.readouterr().out

    assert {"dedup", "decontaminate"} <= set(re.findall(r"\w+", completed("", "de")))
    assert "--max-pairs" in completed("pairs", "--max-p")
