"""The release folder: what the Hub will hold, complete here first."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from factory.publishing.release import build_release
from factory.run.layout import RunLayout
from factory.run.ledger import read_ledger
from schemas import DROPPED, VERDICT


def test_it_holds_every_set_the_card_and_the_books(run: Path) -> None:
    release = build_release(run, repo="me/farm")
    folders = {name.split("/")[0] for name in release.files if "/" in name}
    assert folders == {"midtrain", "sft", "preference", "rl", "rollouts", "dropped"}
    assert {"README.md", "croissant.json", "spdx.json", "ledger.json", "recipe.yaml"} <= set(release.files)
    for name in ("midtrain", "sft", "preference", "rl"):
        mine = release.folder / name / "train-00000-of-00001.parquet"
        assert mine.read_bytes() == (RunLayout(run).dataset(name) / mine.name).read_bytes()
        assert mine.stat().st_nlink == 2


def test_it_loads_as_a_folder_with_its_configurations(run: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = build_release(run).folder
    names = datasets.get_dataset_config_names(str(folder))
    assert names == ["midtrain", "sft", "preference", "rl", "rollouts", "dropped"]
    for name in names:
        loaded = datasets.load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == pl.read_parquet(folder / name / "*.parquet").height > 0
    assert datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache")).num_rows == 10


def test_it_does_not_disturb_the_runs_books(run: Path) -> None:
    before = read_ledger(run)
    build_release(run)
    assert read_ledger(run) == before


def test_building_twice_gives_the_same_and_writes_no_table_again(run: Path) -> None:
    first = build_release(run)
    shard = first.paths["rollouts/train-00000-of-00001.parquet"]
    before = shard.stat().st_mtime_ns
    second = build_release(run)
    assert {n: f.sha256 for n, f in second.files.items()} == {n: f.sha256 for n, f in first.files.items()}
    assert second.digest == first.digest
    assert shard.stat().st_mtime_ns == before


def test_rollouts_carry_no_measured_times(run: Path) -> None:
    rollouts = pl.read_parquet(build_release(run).folder / "rollouts" / "*.parquet")
    assert rollouts.columns[: len(VERDICT.names)] == VERDICT.names
    assert rollouts["verify_seconds"].null_count() == rollouts.height == 60


def test_dropped_rows_are_listed_but_unchecked_text_stays_home(run: Path) -> None:
    """The leaked benchmark problem, and twins that were dropped before decontamination looked at them."""
    at = RunLayout(run)
    home = pl.read_parquet(at.clean_problems / "__dropped" / "*.parquet")
    leaked = json.loads(home["row"][0])["problem"]
    release = build_release(run)
    dropped = pl.read_parquet(release.folder / "dropped" / "*.parquet")
    assert dropped.columns == [*DROPPED.names, "folder"]
    assert sorted(dropped["reason"].to_list()) == ["exact", "near_duplicate", "near_duplicate"]
    assert dropped.select("row", "detail", "evidence").null_count().row(0) == (3, 3, 3)
    for path in release.paths.values():
        assert leaked.encode() not in path.read_bytes(), path
    frames = [pl.read_parquet(path) for name, path in release.paths.items() if name.endswith(".parquet")]
    assert not any(leaked in json.dumps(frame.to_dicts(), default=str) for frame in frames)


def test_dropped_rows_of_clean_problems_keep_their_text(run: Path, make) -> None:
    from factory.run.step_writer import StepWriter
    from schemas import LABELLED

    at = RunLayout(run)
    row = {
        "step": "label",
        "row_id": "r-1",
        "problem_id": "p-000000",
        "reason": "repetitive",
        "row": '{"x": "so so"}',
    }
    with StepWriter(at.labelled, "label", LABELLED) as writer:
        writer.drop(pl.DataFrame([row]))
        writer.finish(rows_in=1)
    dropped = pl.read_parquet(build_release(run).folder / "dropped" / "*.parquet")
    assert dropped.filter(pl.col("reason") == "repetitive")["row"].to_list() == ['{"x": "so so"}']


def test_a_set_that_is_gone_leaves_the_release(run: Path) -> None:
    import shutil

    build_release(run)
    shutil.rmtree(RunLayout(run).dataset("rl"))
    release = build_release(run)
    assert not (release.folder / "rl").exists()
    assert not any(name.startswith("rl/") for name in release.files)
    assert "config_name: rl\n" not in release.paths["README.md"].read_text()


def test_croissant_passes_the_validator_without_a_warning_and_reads_the_rows(run: Path) -> None:
    mlc = pytest.importorskip("mlcroissant")
    release = build_release(run, repo="me/farm")
    data = mlc.Dataset(jsonld=str(release.paths["croissant.json"]), mapping={"repo": str(release.folder)})
    issues = data.metadata.ctx.issues
    assert (list(issues.errors), list(issues.warnings)) == ([], [])
    for name in ("midtrain", "sft", "preference", "rl", "rollouts", "dropped"):
        expected = pl.read_parquet(release.folder / name / "*.parquet")
        records = list(data.records(name))
        assert len(records) == expected.height
        first = records[0]
        column = expected.columns[-1] if name != "dropped" else "row_id"
        value = first[f"{name}/{column}"]
        assert (value.decode() if isinstance(value, bytes) else value) == expected[column][0]
    messages = next(iter(data.records("sft")))["sft/prompt"]
    assert messages[0]["sft/prompt/role"] == b"user"


def test_croissant_names_every_shard_with_its_checksum(run: Path) -> None:
    release = build_release(run, repo="me/farm")
    metadata = json.loads(release.paths["croissant.json"].read_text())
    found = {x["@id"]: x["sha256"] for x in metadata["distribution"] if x["@id"].endswith(".parquet")}
    assert found == {n: f.sha256 for n, f in release.files.items() if n.endswith(".parquet")}
    assert metadata["url"].endswith("/datasets/me/farm")
    assert metadata["license"] == ["https://spdx.org/licenses/MIT.html"]
