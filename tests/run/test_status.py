"""What `factory status` calls damaged, and what it does not."""

import polars as pl

from factory.run.parts import MANIFEST
from factory.run.step_writer import StepWriter
from factory.steps.status import check_folder


def test_a_lost_manifest_is_a_fault_and_the_notes_of_an_rl_stage_are_not(tmp_path):
    with StepWriter(tmp_path / "problems", "problems") as writer:
        writer.keep(pl.DataFrame({"id": ["a"]}))
        writer.finish(rows_in=1)
    rollouts = tmp_path / "train" / "rl" / "rollouts"
    rollouts.mkdir(parents=True)
    pl.DataFrame({"step": [1]}).write_parquet(rollouts / "step-00001.parquet")
    assert check_folder(tmp_path) == []
    (tmp_path / "problems" / MANIFEST).unlink()
    assert [fault.partition(" is missing")[0] for fault in check_folder(tmp_path)] == [
        str(tmp_path / "problems" / MANIFEST)
    ]
