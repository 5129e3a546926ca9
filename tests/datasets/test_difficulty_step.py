"""The step on real parts: procedural problems, a procedural student, the response store and the verifier."""

import json
import shutil

import polars as pl
import pytest
from pydantic import ValidationError

from factory.config.difficulty import DifficultySection
from factory.config.problems import ProblemsSection
from factory.config.verify import VerifySection
from factory.errors import FactoryError
from factory.run.parts import read_dropped, read_parts
from factory.steps import difficulty, problems
from schemas import DIFFICULTY, VERDICT, Band


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("problems")
    problems.run(
        ProblemsSection(sources=["procedural:all?count=12&seed=3"]), folder / "p", folder / "h", seed=0
    )
    return folder / "p"


def roll(asked, folder, exclude=(), **changes):
    settings = {"student": "procedural", "max_tokens": 2048, "min_samples": 3, "max_samples": 6, **changes}
    return difficulty.run(
        asked,
        folder / "d",
        folder / "r",
        DifficultySection(**settings),
        VerifySection(workers=1),
        model=None,
        store=folder / "store",
        seed=0,
        prompt="{problem}",
        exclude=exclude,
    ).manifest


@pytest.fixture(scope="module")
def rolled(asked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rolled")
    return roll(asked, folder), folder


def test_tables_hold_posterior_lengths_and_rollouts(rolled):
    manifest, folder = rolled
    table, rollouts = read_parts(folder / "d"), read_parts(folder / "r")
    assert table.columns[: len(DIFFICULTY.names)] == DIFFICULTY.names
    assert rollouts.columns[: len(VERDICT.names)] == VERDICT.names
    assert table.height == 12
    prior = manifest["totals"]["prior"]
    assert (table["alpha"] - prior["alpha"] - table["correct"]).abs().max() < 1e-9
    assert (table["beta"] - prior["beta"] - (table["attempts"] - table["correct"])).abs().max() < 1e-9
    assert (
        (table["pass_rate_low"] < table["pass_rate"]) & (table["pass_rate"] < table["pass_rate_high"])
    ).all()
    assert set(table["band"]) <= {band.value for band in Band}
    lengths = rollouts.group_by("problem_id").agg(mean=pl.col("completion_tokens").mean())
    joined = table.join(lengths, left_on="id", right_on="problem_id")
    assert (joined["tokens_mean"] - joined["mean"]).abs().max() < 1e-9
    assert manifest["totals"]["rollouts"] == rollouts.height < 12 * 6


def test_a_second_run_does_nothing_and_a_lost_folder_costs_no_new_rollouts(asked, rolled, monkeypatch):
    manifest, folder = rolled
    assert roll(asked, folder) == manifest
    digest = manifest["output_digest"]
    shutil.rmtree(folder / "d")

    from factory.sampling.procedural import ProceduralSampler

    def refuse(*_):
        raise AssertionError("a rollout was sampled twice")

    monkeypatch.setattr(ProceduralSampler, "sample", refuse)
    assert roll(asked, folder)["output_digest"] == digest


def test_problems_beyond_the_limit_are_dropped_with_their_reason(asked, tmp_path):
    manifest = roll(asked, tmp_path, problems=5)
    assert manifest["rows_in"] == 12
    assert manifest["rows_out"] == 5
    assert manifest["dropped"] == {"not_drawn": 7}
    dropped = read_dropped(tmp_path / "d")
    assert json.loads(dropped["row"][0])["problem"]


def test_problems_of_other_sets_are_left_out_and_named(asked, tmp_path):
    used = read_parts(asked).head(4)
    (tmp_path / "sft").mkdir()
    used.head(2).write_parquet(tmp_path / "sft" / "part-00000.parquet")
    other = used.tail(2).with_columns(id=pl.col("id") + "-renamed")
    (tmp_path / "pairs").mkdir()
    other.write_parquet(tmp_path / "pairs" / "part-00000.parquet")
    manifest = roll(asked, tmp_path, exclude=[tmp_path / "sft", tmp_path / "pairs"], problems=5)
    assert manifest["rows_in"] == 12 and manifest["rows_out"] == 5
    assert (
        manifest["dropped"].keys() == {"already_used", "not_drawn"} and sum(manifest["dropped"].values()) == 7
    )
    dropped = read_dropped(tmp_path / "d").filter(pl.col("reason") == "already_used")
    told = dict(dropped.select("row_id", "detail").iter_rows())
    assert [told[each] for each in used["id"]] == [
        f"used in {tmp_path.name}/{name}" for name in ("sft", "sft", "pairs", "pairs")
    ]
    with pytest.raises(FactoryError, match="that no set holds yet - add problems"):
        roll(asked, tmp_path / "again", exclude=[asked])


def test_a_student_that_is_always_cut_is_a_clear_report(asked, tmp_path):
    with pytest.raises(
        FactoryError, match=r"all 36 rollouts were cut at 5 tokens - raise difficulty.max_tokens"
    ):
        roll(asked, tmp_path, max_tokens=5)
    assert not (tmp_path / "d" / "_manifest.json").exists()


def test_settings_that_contradict_themselves(asked, tmp_path):
    with pytest.raises(ValidationError, match="min_samples 9 is above"):
        roll(asked, tmp_path, min_samples=9)
    with pytest.raises(ValidationError, match=r"low 0\.8 is not below"):
        roll(asked, tmp_path, low=0.8, high=0.2)
