import json

import polars as pl
from click.testing import CliRunner

from factory.cli.main import build_app
from factory.config.verify import VerifySection
from factory.run.parts import read_dropped, read_parts
from factory.run.step_writer import StepWriter
from factory.steps import verify
from schemas import RESPONSE


def responses(folder):
    rows = pl.DataFrame(
        {
            "response_id": ["r-1", "r-2", "r-3"],
            "problem_id": ["p-1", "p-1", "p-2"],
            "sample_index": [0, 1, 0],
            "content": ["\\boxed{x+1}", "\\boxed{x+2}", ""],
            "status": ["complete"] * 3,
            "answer": ["1+x", "1+x", "5"],
            "mine": [1, 2, 3],
        }
    )
    with StepWriter(folder, "generate", RESPONSE) as writer:
        writer.keep(rows)
        writer.finish(rows_in=3)
    return folder


def test_step_keeps_every_response_and_counts_verdicts(tmp_path):
    manifest = verify.run(responses(tmp_path / "in"), tmp_path / "out", VerifySection(workers=1)).manifest
    assert (manifest["rows_in"], manifest["rows_out"], manifest["rows_dropped"]) == (3, 3, 0)
    assert manifest["totals"]["verdicts"] == {"correct": 1, "incorrect": 1, "no_answer": 1}
    rows = read_parts(tmp_path / "out")
    assert rows.get_column("mine").to_list() == [1, 2, 3]


def test_a_finished_step_is_not_run_again_whatever_the_workers(tmp_path):
    source = responses(tmp_path / "in")
    first = verify.run(source, tmp_path / "out", VerifySection(workers=1)).manifest
    second = verify.run(source, tmp_path / "out", VerifySection(workers=2)).manifest
    assert second["finished_at"] == first["finished_at"] and second["key"] == first["key"]


def test_command_reads_gold_and_prediction_and_splits_think_tags(tmp_path):
    lines = [
        {"id": 1, "gold": 4, "prediction": "<think>2+2, maybe 5</think>The answer is 4."},
        {"id": 2, "gold": "4", "prediction": "<think>surely \\boxed{4}"},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n", "utf-8")
    result = CliRunner().invoke(
        build_app(("verify",)), ["verify", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    rows = read_parts(tmp_path / "out")
    assert rows.get_column("verdict").to_list() == ["correct", "no_answer"]
    assert rows.get_column("reasoning").to_list() == ["2+2, maybe 5", "surely \\boxed{4}"]
    assert read_dropped(tmp_path / "out").height == 1


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"prediction": "4"}\n', "utf-8")
    result = CliRunner().invoke(build_app(("verify",)), ["verify", str(path), "--out", str(tmp_path / "out")])
    assert "gold" in str(result.exception) and result.exception.exit_code == 2
