"""Responses that are there already are taken, and a teacher that counts is asked for exactly what is missing."""

import json

import polars as pl
import pytest

from factory.config.generate import GenerateSection
from factory.config.problems import SourceSection
from factory.engines.engine import open_engine
from factory.errors import UsageError
from factory.run.parts import read_dropped, read_parts
from factory.run.step_writer import StepWriter
from factory.steps import estimate, imports
from factory.steps import generate as step
from schemas import PROBLEM, RESPONSE
from tests.support.cli import run_factory

WHOLE, CUT = "<think>\nlet us see\n</think>\nIt is \\boxed{7}.", "<think>\nlet us"


@pytest.fixture
def published(tmp_path):
    """`published(problems, responses of each)`: a set with generations, imported; its folder of responses."""

    def make(problems, generations):
        rows = [
            {"problem": text.replace(" ", "  "), "answer": "7", "generations": own, "uuid": f"their-{n}"}
            for n, (text, own) in enumerate(zip(problems["problem"], generations, strict=False))
        ]
        path = tmp_path / "published.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        imports.run([SourceSection(path=str(path))], tmp_path / "mine/problems", tmp_path / "mine/responses")
        return tmp_path / "mine/responses"

    return make


def asked_of(server):
    return server.get("stats")["asked"]


def factory(*words):
    return run_factory(*words)


def section(server, **changes):
    settings = {"teacher": "vllm", "model": "fake-r1", "base_url": server.url, "prompt": "{problem}"}
    return GenerateSection(**settings | {"max_tokens": 64, "samples": 3, "concurrency": 8} | changes)


def written(folder, frame):
    with StepWriter(folder, "problems", PROBLEM) as writer:
        writer.keep(frame)
        writer.finish(rows_in=frame.height)
    return folder


GENERATIONS = [[WHOLE, WHOLE], [WHOLE, CUT], [WHOLE] * 4, [CUT], []]
MISSING = [1, 2, 0, 3, 3, 3]


@pytest.mark.parametrize("workers", [None, 2])
def test_exactly_the_missing_responses_are_requested(workers, serve, problems, published, tmp_path):
    server, asked = serve(), problems(6)
    source = written(tmp_path / "p", asked)
    reuse = str(published(asked, GENERATIONS))
    with open_engine("local", workers or 1) as engine:
        result = step.run(
            source, tmp_path / "out", section(server, reuse=[reuse]), store=tmp_path / "store", seed=0,
            engine=engine, workers=workers,
        )  # fmt: skip
    rows = read_parts(tmp_path / "out")
    assert asked_of(server) == sum(MISSING)
    assert rows.columns[: len(RESPONSE.names)] == RESPONSE.names
    assert set(rows.columns) == {*RESPONSE.names, *(set(asked.columns) - {"id"})}
    there = rows.filter(pl.col("sampler") == "import")
    assert there["problem_id"].value_counts().sort("problem_id")["count"].to_list() == [2, 2, 4, 1]
    assert there["model"].unique().to_list() == ["deepseek-r1"]
    assert there["temperature"].null_count() == there.height
    for place, name in enumerate(asked["id"]):
        mine = rows.filter(pl.col("problem_id") == name)
        assert mine["sample_index"].n_unique() == mine.height
        assert mine.filter(pl.col("sampler") != "import").height == MISSING[place]
    assert (result.summary.reused, result.manifest["rows_in"]) == (9, 9 + 12)
    assert sum(result.summary.statuses.values()) == rows.height
    again = step.run(
        source, tmp_path / "out", section(server, reuse=[reuse]), store=tmp_path / "store", seed=0
    )
    assert not again.made and asked_of(server) == 12


def test_responses_to_problems_that_were_dropped_are_dropped_with_the_reason(
    serve, problems, published, tmp_path
):
    server, asked = serve(), problems(6)
    reuse = str(published(asked, GENERATIONS))
    source = written(tmp_path / "p", asked.tail(4))
    step.run(source, tmp_path / "out", section(server, reuse=[reuse]), store=tmp_path / "store", seed=0)
    dropped = read_dropped(tmp_path / "out")
    assert dropped["reason"].to_list() == ["problem_not_asked"] * 4
    assert read_parts(tmp_path / "out").filter(pl.col("sampler") == "import").height == 5


def test_the_same_by_the_verb_and_what_is_not_imported_is_refused(
    serve, problems, published, tmp_path, capsys
):
    server, asked = serve(), problems(6)
    reuse = published(asked, GENERATIONS)
    asked.write_parquet(tmp_path / "p.parquet")
    common = ["generate", str(tmp_path / "p.parquet"), "--teacher", "vllm", "--model", "fake-r1"]
    common += ["--base-url", server.url, "--prompt", "{problem}", "--samples", "3", "--max-tokens", "64"]
    done = factory(*common, "--reuse", reuse, "--out", tmp_path / "out", "--dry-run")
    assert "6 problems x 3 samples = 18 responses" in done.stdout
    assert "there already: 6; still missing: 12" in done.stdout
    assert asked_of(server) == 0
    done = factory(*common, "--reuse", reuse, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert asked_of(server) == 12
    done = factory(*common, "--reuse", tmp_path / "published.jsonl", "--out", tmp_path / "o2")
    assert (done.returncode, done.stderr.count("factory: ")) == (2, 1)
    assert "factory import" in done.stderr
    assert asked_of(server) == 12


def test_a_reused_row_says_whence_and_is_under_both_licences(serve, problems, published, tmp_path):
    server = serve()
    asked = problems(6, licence=pl.Series(["MIT", "MIT", "MIT", None, None, None]), metadata=pl.lit("{}"))
    reuse = published(asked, [[WHOLE]] * 6)
    given = read_parts(reuse).with_columns(licence=pl.Series(["MIT", "CC BY", None, "MIT", None, "MIT"]))
    given.write_parquet(tmp_path / "given.parquet")
    own = section(server, reuse=[str(tmp_path / "given.parquet")], samples=1)
    step.run(written(tmp_path / "p", asked), tmp_path / "out", own, store=tmp_path / "store", seed=0)
    rows = read_parts(tmp_path / "out")
    assert rows["licence"].to_list() == ["MIT", "MIT AND CC BY", None, None, None, None]
    assert {json.loads(said)["source_set"] for said in rows["metadata"]} == {"published"}


def test_lines_that_cannot_be_read_are_dropped_and_not_lost(serve, problems, published, tmp_path):
    server, asked = serve(), problems(6)
    rows = read_parts(published(asked, GENERATIONS))
    rows.write_ndjson(tmp_path / "there.jsonl")
    with (tmp_path / "there.jsonl").open("a") as handle:
        handle.write("{torn\n")
    source = written(tmp_path / "p", asked)
    reuse = [str(tmp_path / "there.jsonl")]
    result = step.run(
        source, tmp_path / "out", section(server, reuse=reuse), store=tmp_path / "store", seed=0
    )
    assert asked_of(server) == 12
    assert read_dropped(tmp_path / "out")["reason"].to_list() == ["malformed_json"]
    assert result.manifest["rows_in"] == 9 + 12 + 1


def test_the_estimate_asks_only_where_something_is_missing_and_the_job_takes_its_pilot(
    serve, problems, published, tmp_path
):
    server, asked = serve(), problems(6)
    asked.write_parquet(tmp_path / "p.parquet")
    reuse = str(published(asked, GENERATIONS))
    own = section(server, reuse=[reuse], price=(1.0, 2.0))
    out, common = tmp_path / "out", {"store": tmp_path / "store", "seed": 0}
    found, _ = estimate.run([str(tmp_path / "p.parquet")], out, own, pilot=4, **common)
    assert (found.requests, found.spared, found.pilot, asked_of(server)) == (12, 6, 4, 4)
    assert found.usd_spared == pytest.approx(found.usd.expected / 2)
    result = step.run_files([str(tmp_path / "p.parquet")], out, own, **common)
    assert asked_of(server) == 12
    assert result.summary.spared == 6 and result.summary.usd_spared > 0
    everything = str(published(asked, [[WHOLE] * 3] * 6))
    own = section(server, reuse=[everything], price=(1.0, 2.0))
    found, _ = estimate.run([str(tmp_path / "p.parquet")], tmp_path / "none", own, pilot=4, **common)
    assert (found.requests, found.spared, asked_of(server)) == (0, 18, 12)


def test_other_responses_make_the_step_again(serve, problems, published, tmp_path):
    server, asked = serve(), problems(6)
    source = written(tmp_path / "p", asked)
    out, store = tmp_path / "out", tmp_path / "store"
    step.run(source, out, section(server), store=store, seed=0)
    assert asked_of(server) == 18
    reuse = str(published(asked, GENERATIONS))
    result = step.run(source, out, section(server, reuse=[reuse]), store=store, seed=0)
    assert result.made and result.summary.reused == 9
    with pytest.raises(ValueError, match="leave reuse or accept out"):
        section(server, reuse=[reuse], accept=3)
    with pytest.raises(UsageError, match="does not exist"):
        step.run(source, out, section(server, reuse=["nowhere"]), store=store, seed=0)
