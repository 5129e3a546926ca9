"""Every step folder of a run, and every verb's OUT, gives exactly its rows to the readers that people use."""

import json
import os

import polars as pl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from factory.atomic import read_json
from factory.cli.main import build_app
from factory.config.recipe import Recipe
from factory.pipeline.run import run_recipe
from factory.run.layout import PLACES

datasets = pytest.importorskip("datasets")
duckdb = pytest.importorskip("duckdb")

SOURCE = "procedural:modular_chain+linear_equation?count=30&seed=3&style=terse"
SETTINGS = {
    "name": "demo",
    "problems": {"sources": [SOURCE], "held_out": 5},
    "generate": {"teacher": "procedural", "samples": 3, "max_tokens": 1024, "slip_rate": 0.4},
    "train": None,
}
READERS = {
    "polars": lambda folder: pl.read_parquet(f"{folder}/*.parquet").height,
    "pyarrow": lambda folder: pq.read_table(folder).num_rows,
    "duckdb": lambda folder: duckdb.sql(f"SELECT count(*) FROM '{folder}/*.parquet'").fetchall()[0][0],
    "datasets": lambda folder: len(datasets.load_dataset(str(folder), split="train")),
    "datasets, as parquet": lambda folder: len(
        datasets.load_dataset("parquet", data_files=f"{folder}/*.parquet", split="train")
    ),
}


def factory(verb, *words):
    done = CliRunner().invoke(build_app((verb,)), [verb, *map(str, words)])
    assert done.exception is None, (verb, done.exception, done.output)
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "demo"
    run_recipe(Recipe.model_validate(SETTINGS), run)
    return run


@pytest.fixture(scope="module")
def verbs(tmp_path_factory):
    """Every verb's OUT, and what it printed."""
    at = tmp_path_factory.mktemp("verbs")
    bench = at / "bench.jsonl"
    bench.write_text('{"id": "b", "problem": "Which prime numbers lie between ninety and one hundred?"}\n')
    bad = at / "bad.jsonl"
    bad.write_text('{"answer": "5", "content": "5", "problem": "2 + 3"}\nnot json\n')
    calls = {
        "generate": (SOURCE, "--teacher", "procedural", "--samples", 2, "--max-tokens", 1024),
        "verify": (at / "generate",),
        "verify_lines": (bad,),
        "dedup": (at / "verify", "--field", "content"),
        "decontaminate": (at / "generate", "--against", bench),
        "difficulty": (SOURCE, "--student", "procedural", "--max-tokens", 1024, "--max-samples", 6),
        "pairs": (at / "difficulty" / "__rollouts", "--max-length-bias", 9, "--max-format-bias", 1),
        "eval": ("procedural", "--benchmark", SOURCE, "--samples", 1),
    }
    said = {
        name: factory(name.partition("_")[0], *words, "--out", at / name) for name, words in calls.items()
    }
    return at, said


def check(folder, monkeypatch, cache):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    datasets.disable_progress_bars()
    rows = json.loads((folder / "_manifest.json").read_text())["rows_out"]
    assert {name: read(folder) for name, read in READERS.items()} == dict.fromkeys(READERS, rows), folder


def test_every_step_folder_of_a_run(run, monkeypatch, tmp_path):
    folders = sorted(path.parent for path in run.rglob("_manifest.json"))
    assert {str(path.relative_to(run)) for path in folders} <= set(PLACES)
    assert len(folders) == 13
    for folder in folders:
        check(folder, monkeypatch, tmp_path)


def test_every_verb_and_the_line_that_it_ends_with(verbs, monkeypatch, tmp_path):
    at, said = verbs
    for name, shown in said.items():
        lines = [line for line in shown.splitlines() if line.startswith("load it: ")]
        assert len(lines) == 1, name
        code, _, rows = lines[0].removeprefix("load it: ").partition("  # ")
        folder = at / name
        if name == "eval":
            (folder,) = (path.parent for path in folder.glob("*/_manifest.json"))
        else:
            assert rows == f"{eval(code, {'polars': pl}).height:,} rows"
        assert code == f'polars.read_parquet("{folder}/*.parquet")'
        check(folder, monkeypatch, tmp_path)


def test_side_tables_are_set_apart(verbs):
    at, _ = verbs
    assert sorted(path.name for path in (at / "dedup" / "__side").iterdir()) == [
        "conflicts.parquet", "keys.parquet", "known.json", "pairs.parquet",
    ]  # fmt: skip
    assert (at / "verify" / "__side" / "gold_audit.parquet").exists()
    assert (at / "pairs" / "__side" / "lint.json").exists()
    assert not [path for path in at.rglob(".scratch-*")]


def test_a_run_again_takes_no_time_and_a_lost_part_is_named(run):
    recipe = Recipe.model_validate(SETTINGS)
    assert run_recipe(recipe, run) is False
    part = run / "verdicts" / "labelled" / "part-00000.parquet"
    data, times = part.read_bytes(), part.stat()
    part.unlink()
    with pytest.raises(Exception, match=r"labelled/part-00000\.parquet is missing"):
        run_recipe(recipe, run)
    part.write_bytes(data)
    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run_recipe(recipe, run) is False


def test_edited_verdicts_do_not_reach_a_set(run):
    folder = run / "verdicts" / "labelled"
    rows = pl.read_parquet(folder / "part-00000.parquet")
    data = (folder / "part-00000.parquet").read_bytes()
    rows.with_columns(verdict=pl.lit("correct")).write_parquet(folder / "part-00000.parquet")
    with pytest.raises(Exception, match=r"labelled/part-00000\.parquet is corrupt"):
        run_recipe(Recipe.model_validate({**SETTINGS, "datasets": {"sft_rows": 7}}), run)
    (folder / "part-00000.parquet").write_bytes(data)


def test_another_out_gives_the_same_sets_and_the_same_card(run, tmp_path):
    run_recipe(Recipe.model_validate(SETTINGS), run)  # other tests may have left it half done
    other = tmp_path / "deep" / "er" / "other"
    run_recipe(Recipe.model_validate(SETTINGS), other)
    names = sorted(str(path.relative_to(run)) for path in run.rglob("_manifest.json"))
    digests = [[read_json(each / name)["output_digest"] for name in names] for each in (run, other)]
    assert digests[0] == digests[1]
    shards = sorted(str(path.relative_to(run)) for path in run.glob("datasets/*/*.parquet"))
    for each in (run, other):
        factory("card", each)
    for name in (*shards, "README.md", "ledger.json", "recipe.yaml"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
