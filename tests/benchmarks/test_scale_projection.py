"""The fit finds the costs that a report was made of, and the projection divides only what can be divided."""

from __future__ import annotations

import pytest

from benchmarks import scale_projection as projection


def report(start: float, row: float, byte: float) -> dict:
    corpora = []
    for rows, text_mb, characters in (
        (10_000, 10, 1_000),
        (100_000, 100, 1_000),
        (500, 20, 40_000),
        (5_000, 200, 40_000),
    ):
        spent = start + row * rows + byte * text_mb * 1e6
        step = {
            "rows_in": rows,
            "cpu_seconds": spent,
            "seconds": spent,
            "peak_mb": 100 + rows / 1e3,
            "disk_mb": text_mb / 2,
        }
        corpora.append(
            {
                "responses": rows,
                "characters": characters,
                "text_mb": text_mb,
                "steps": {"label": step, "export": step},
            }
        )
    return {"corpora": corpora}


def test_costs_of_rows_and_bytes_are_told_apart() -> None:
    fitted = projection.costs(report(1.0, 2e-4, 3e-8))["label"]
    assert fitted.start == pytest.approx(1.0, rel=1e-3)
    assert fitted.per_row == pytest.approx(2e-4, rel=1e-3)
    assert fitted.per_byte == pytest.approx(3e-8, rel=1e-3)
    assert fitted.growth == pytest.approx(1.0, abs=0.01)
    assert fitted.memory_row == pytest.approx(1e-3)


def test_growth_shows_what_is_not_linear() -> None:
    made = report(0.0, 1e-4, 0.0)
    made["corpora"][1]["steps"]["label"]["cpu_seconds"] *= 10
    growth = projection.costs(made)["label"].growth
    assert growth is not None and growth > 1.5


def test_nodes_do_not_help_what_one_process_writes() -> None:
    fitted = projection.costs(report(1.0, 2e-4, 3e-8))
    label, export = (projection.paper(step, fitted[step]) for step in ("label", "export"))
    assert label["hours_1"] == pytest.approx(64 * label["hours_64"])
    assert export["hours_1"] == export["hours_64"] > 0


def test_tables_name_every_step() -> None:
    made = report(1.0, 2e-4, 3e-8)
    fitted = projection.costs(made)
    for text in (projection.units_table(made, fitted), projection.paper_table(fitted)):
        assert "| label |" in text and "| export |" in text
