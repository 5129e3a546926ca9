"""The finished set: loads everywhere without options, sorted, reproducible, whole or absent."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow.parquet as pq
import pytest

from factory.atomic import read_json
from factory.errors import FactoryError, UsageError
from factory.publishing import ordering
from factory.run.parts import MANIFEST, check_parts
from factory.steps import export
from schemas import COMPLETION, PREFERENCE, RL_PROMPT

duckdb = pytest.importorskip("duckdb")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_manifest_has_the_form_of_every_other_step(completions: Path, tmp_path: Path) -> None:
    out = tmp_path / "datasets" / "sft"
    manifest = export.run(completions, out, COMPLETION).manifest
    upstream = read_json(completions / MANIFEST)
    assert set(manifest) == set(upstream)
    assert (manifest["rows_in"], manifest["rows_out"], manifest["rows_dropped"]) == (500, 500, 0)
    assert manifest["inputs"] == {"rows": upstream["output_digest"]}
    assert names(out) == [MANIFEST, "train-00000-of-00001.parquet"]
    check_parts(out)


def test_rows_are_sorted_by_the_declared_key(
    make: SimpleNamespace, completions: Path, tmp_path: Path
) -> None:
    export.run(completions, tmp_path / "out", COMPLETION)
    written = pl.read_parquet(tmp_path / "out" / "*.parquet")
    expected = pl.DataFrame(make.completions(500)).sort("problem_id", "response_id")
    assert written["response_id"].to_list() == expected["response_id"].to_list()
    assert written["completion"].to_list() == expected["completion"].to_list()


def test_rl_prompts_keep_their_training_order(
    make: SimpleNamespace, rl_prompts: Path, tmp_path: Path
) -> None:
    export.run(rl_prompts, tmp_path / "out", RL_PROMPT)
    written = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert written["answer"].to_list() == [row["answer"] for row in make.rl(50)]


def test_input_order_does_not_change_a_byte(make: SimpleNamespace, tmp_path: Path) -> None:
    rows = make.completions(400)
    digests = set()
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        folder = make.step_folder(tmp_path / f"in{seed}", rows, COMPLETION, chunk=30 + seed * 50)
        digests.add(export.run(folder, tmp_path / f"out{seed}", COMPLETION).manifest["output_digest"])
    assert len(digests) == 1


def test_sort_beyond_memory_gives_the_same_bytes(
    completions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export.run(completions, tmp_path / "whole", COMPLETION).manifest
    monkeypatch.setattr(ordering, "RANGE_BYTES", 4_000)
    monkeypatch.setattr(ordering, "BATCH_ROWS", 17)
    ranges = export.run(completions, tmp_path / "ranges", COMPLETION).manifest
    assert ranges["output_digest"] == whole["output_digest"]
    assert names(tmp_path / "ranges") == names(tmp_path / "whole")


def test_finished_export_is_left_alone(completions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = export.run(completions, out, COMPLETION).manifest
    shard = next(out.glob("*.parquet"))
    before = shard.stat().st_mtime_ns
    assert export.run(completions, out, COMPLETION).manifest == first
    assert shard.stat().st_mtime_ns == before


def test_changed_rows_replace_every_earlier_shard(make: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    many = make.step_folder(tmp_path / "many", make.completions(500, words=400), COMPLETION)
    few = make.step_folder(tmp_path / "few", make.completions(5), COMPLETION)
    export.run(many, out, COMPLETION, shard_bytes=1)
    export.run(few, out, COMPLETION)
    assert names(out) == [MANIFEST, "train-00000-of-00001.parquet"]
    assert pl.read_parquet(out / "*.parquet").height == 5


def test_datasets_loads_files_and_folder(completions: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "datasets" / "sft"
    export.run(completions, out, COMPLETION)
    cache = str(tmp_path / "cache")
    by_files = datasets.load_dataset("parquet", data_files=str(out / "*.parquet"), cache_dir=cache)
    by_folder = datasets.load_dataset(str(out), cache_dir=cache)
    for loaded in (by_files, by_folder):
        assert list(loaded) == ["train"]
        assert loaded["train"].column_names == COMPLETION.names
        assert loaded["train"].num_rows == 500
        assert loaded["train"][0]["prompt"][0]["role"] == "user"


def test_polars_and_duckdb_load_without_options(
    completions: Path, preferences: Path, rl_prompts: Path, tmp_path: Path
) -> None:
    sets = [(completions, COMPLETION, 500), (preferences, PREFERENCE, 50), (rl_prompts, RL_PROMPT, 50)]
    for rows, schema, count in sets:
        out = tmp_path / schema.name
        export.run(rows, out, schema)
        frame = pl.read_parquet(out / "*.parquet")
        assert (frame.height, frame.columns) == (count, schema.names)
        table = duckdb.sql(f"SELECT prompt[1].content AS question FROM '{out}/*.parquet'").pl()
        assert table.height == count
        assert table["question"].str.starts_with("What is").all()


def test_an_empty_set_still_shows_its_columns(make: SimpleNamespace, tmp_path: Path) -> None:
    rows = make.step_folder(tmp_path / "none", [], COMPLETION)
    manifest = export.run(rows, tmp_path / "out", COMPLETION).manifest
    assert manifest["rows_out"] == 0
    assert pl.read_parquet(tmp_path / "out" / "*.parquet").columns == COMPLETION.names
    table = duckdb.sql(f"SELECT * FROM '{tmp_path}/out/*.parquet'")
    assert (table.columns, len(table)) == (COMPLETION.names, 0)


def test_column_docs_travel_in_the_file(completions: Path, tmp_path: Path) -> None:
    export.run(completions, tmp_path / "out", COMPLETION)
    schema = pq.read_schema(next((tmp_path / "out").glob("*.parquet")))
    assert schema.field("teacher").metadata[b"doc"] == b"Sampler that produced the response."


def test_missing_input_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no part-\*\.parquet"):
        export.run(tmp_path / "absent", tmp_path / "out", COMPLETION)


def test_null_in_a_required_column_names_the_row(make: SimpleNamespace, tmp_path: Path) -> None:
    rows = make.completions(10)
    rows[4]["teacher"] = None
    folder = make.step_folder(tmp_path / "in", rows, COMPLETION)
    with pytest.raises(FactoryError, match=rf"{rows[4]['problem_id']} has no teacher"):
        export.run(folder, tmp_path / "out", COMPLETION)
    assert not (tmp_path / "out" / MANIFEST).exists()
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_step_that_vanishes_mid_way_leaves_no_manifest(
    completions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(completions, tmp_path / "copy")
    monkeypatch.setattr(
        "factory.run.step_writer.finish_step", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        export.run(completions, out, COMPLETION)
    assert MANIFEST not in names(out)
    monkeypatch.undo()
    assert export.run(tmp_path / "copy", out, COMPLETION).manifest["rows_out"] == 500
