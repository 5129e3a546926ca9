"""The label step: what the source says stays, what is missing is filled in, loops are marked, nothing is dropped."""

from factory.config.datasets import DatasetsSection
from factory.run.parts import read_parts
from factory.steps import label
from schemas import LABELLED


def test_labels_and_repetition(verdict_rows, tmp_path):
    geometry = "In triangle $ABC$ the angle at $A$ is right. Find the area of the inscribed circle."
    rows = [
        {"response_id": "r1", "problem_id": "a", "problem": geometry, "reasoning": "short and well"},
        {"response_id": "r2", "problem_id": "a", "problem": geometry, "reasoning": "so, " * 800},
        {"response_id": "r3", "problem_id": "b", "problem": "1+1?", "domain": "logic", "level": "graduate"},
        {"response_id": "r4", "problem_id": "c", "problem": geometry + " Why?", "domain": "logic"},
    ]
    manifest = label.run(verdict_rows(rows), tmp_path / "l", DatasetsSection()).manifest
    table = read_parts(tmp_path / "l")
    assert table.columns[: len(LABELLED.names)] == LABELLED.names
    assert table["response_id"].to_list() == ["r1", "r2", "r3", "r4"]
    assert table["domain"].to_list() == ["geometry", "geometry", "logic", "logic"]
    assert table["label_source"].to_list() == ["rules", "rules", "source", "rules"]
    assert table["level"].null_count() == 0
    assert table["level"][2] == "graduate"
    assert table["repetitive"].to_list() == [False, True, False, False]
    assert manifest["rows_in"] == manifest["rows_out"] == 4
    assert manifest["totals"]["repetitive"] == 1
    assert manifest["totals"]["balance"][1] == {"domain": "logic", "level": "graduate", "responses": 1}
    assert manifest["totals"]["domain"] == {"geometry": 2, "logic": 2}
    assert label.run(tmp_path / "v", tmp_path / "l", DatasetsSection()).manifest == manifest


def test_the_limit_of_repetition_decides(verdict_rows, tmp_path, monkeypatch):
    folder = verdict_rows(
        [{"response_id": "r", "problem_id": "a", "problem": "x", "reasoning": "so, " * 800}]
    )
    label.run(folder, tmp_path / "l", DatasetsSection())
    assert read_parts(tmp_path / "l")["repetitive"].to_list() == [True]
    monkeypatch.setattr(DatasetsSection, "max_loop_score", 1.0)
    label.run(folder, tmp_path / "l", DatasetsSection())
    assert read_parts(tmp_path / "l")["repetitive"].to_list() == [False]


def test_no_rows_are_no_fault(verdict_rows, tmp_path):
    assert label.run(verdict_rows([]), tmp_path / "l", DatasetsSection()).manifest["rows_out"] == 0
