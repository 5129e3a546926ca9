"""Many parts, read in small batches, against the same table in memory; engines; kills in every phase."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from factory.config.deduplication import DeduplicationSection
from factory.deduplication import deduplicate, workshop
from factory.deduplication.out_of_core import verifier
from factory.deduplication.similarity import arrange, gram_sets, jaccard
from factory.engines.engine import open_engine
from factory.engines.local import ThreadEngine
from factory.errors import UsageError
from factory.run import parts as store_parts
from factory.run.parts import read_dropped, read_parts
from factory.steps import deduplicate as step

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "nrstlm"]
SECTION = DeduplicationSection(threshold=0.7)


def family(rng):
    base = [rng.choice(WORDS) for _ in range(rng.randint(12, 60))]
    for _ in range(rng.choice([1, 1, 2, 4])):
        share = rng.choice([0, 0.01, 0.03])
        yield " ".join(rng.choice(WORDS) if rng.random() < share else w for w in base)


def corpus(count, seed=7):
    rng = random.Random(seed)
    texts = [text for _ in range(count) for text in family(rng)][:count]
    texts[3], texts[5] = "", "???"
    rng.shuffle(texts)
    table = pl.DataFrame({"id": [f"p{i}" for i in range(count)], "problem": texts})
    return table.with_columns(
        answer=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("7")), source=pl.lit("web")
    )


def write_parts(table, folder, sizes):
    folder.mkdir(parents=True)
    first = 0
    for number, size in enumerate(sizes):
        table.slice(first, size).write_parquet(folder / f"part-{number:05d}.parquet", row_group_size=37)
        first += size
    assert first == table.height
    return folder


def same_as_in_memory(out, result):
    assert read_parts(out).equals(result.kept)
    dropped = read_dropped(out)
    assert [json.loads(row) for row in dropped["row"]] == [json.loads(row) for row in result.dropped["row"]]
    for name in ("row_id", "reason", "evidence", "detail", "problem_id"):
        assert dropped[name].to_list() == result.dropped[name].to_list(), name


def bytes_of(out):
    files = [*out.glob("part-*"), *out.glob("__dropped/*"), *out.glob("__side/*.parquet")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(store_parts, "BATCH_BYTES", 4000)


@pytest.mark.usefixtures("small_batches")
def test_parts_give_what_one_table_in_memory_gives(tmp_path):
    table = corpus(500)
    folder = write_parts(table, tmp_path / "in", [180, 0, 1, 200, 119])
    manifest = step.run(folder, tmp_path / "out", SECTION, field="problem").manifest
    result = deduplicate(table, SECTION, field="problem")
    assert result.dropped.height > 100
    assert result.dropped["reason"].n_unique() == 2
    same_as_in_memory(tmp_path / "out", result)
    assert {k: v for k, v in manifest["totals"].items() if k != "pairs_from"} == result.audit
    assert manifest["totals"]["recall"] >= 0.98
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.usefixtures("small_batches")
def test_published_rows_and_rows_without_ids(tmp_path):
    table = corpus(300).drop("id")
    old = corpus(300).slice(0, 80).select("problem")
    folder = write_parts(table, tmp_path / "in", [100, 200])
    old.write_parquet(tmp_path / "old.parquet")
    section = DeduplicationSection(threshold=0.7, against=[str(tmp_path / "old.parquet")])
    step.run(folder, tmp_path / "out", section, field="problem")
    result = deduplicate(table, section, field="problem", against=old)
    survivors = [json.loads(text)["survivor"] for text in result.dropped["evidence"]]
    assert any(name.startswith("against:row-") for name in survivors)
    assert any(name.startswith("row-") for name in survivors)
    same_as_in_memory(tmp_path / "out", result)


@pytest.mark.usefixtures("small_batches")
def test_responses_within_their_problem(tmp_path):
    base = corpus(300)
    table = pl.DataFrame(
        {
            "response_id": base["id"],
            "problem_id": [f"q{i % 3}" for i in range(300)],
            "reasoning": base["problem"],
            "content": [None if i % 5 else "The answer is four." for i in range(300)],
        }
    )
    folder = write_parts(table, tmp_path / "in", [150, 150])
    step.run(folder, tmp_path / "out", SECTION, field="reasoning")
    result = deduplicate(table, SECTION, field="reasoning", within="problem_id")
    assert 0 < result.dropped.height < deduplicate(table, SECTION, field="reasoning").dropped.height
    same_as_in_memory(tmp_path / "out", result)


def test_another_threshold_from_the_stored_pairs_over_many_parts(tmp_path):
    table = corpus(400)
    folder = write_parts(table, tmp_path / "in", [100, 100, 200])
    loose, strict = DeduplicationSection(threshold=0.5), DeduplicationSection(threshold=0.85)
    step.run([str(folder)], tmp_path / "out", loose, field="problem")
    step.rethreshold([str(folder)], tmp_path / "out", strict, field="problem")
    result = deduplicate(table, strict, field="problem")
    assert result.dropped.height < deduplicate(table, loose, field="problem").dropped.height
    same_as_in_memory(tmp_path / "out", result)


def test_every_engine_gives_the_same_bytes(tmp_path):
    folder = write_parts(corpus(300), tmp_path / "in", [100, 50, 150])
    with open_engine("local", 2) as processes:
        step.run(folder, tmp_path / "processes", SECTION, field="problem", engine=processes)
    with open_engine("local", 1) as one:
        step.run(folder, tmp_path / "one", SECTION, field="problem", engine=one)
    step.run(folder, tmp_path / "threads", SECTION, field="problem")
    assert bytes_of(tmp_path / "processes") == bytes_of(tmp_path / "one") == bytes_of(tmp_path / "threads")
    assert len(bytes_of(tmp_path / "one")) == 9


PHASES = ["sign_part", "find_in_band", "read_sets", "verify_block", "write_part"]
DIE = """
import os, sys
from pathlib import Path
from factory.deduplication import out_of_core, workshop
from factory.steps import deduplicate as step
from factory.config.deduplication import DeduplicationSection
name, calls = sys.argv[1], 0
function = getattr(workshop, name)
def die(*arguments):
    global calls
    calls += 1
    if calls == 2:
        os.kill(os.getpid(), 9)
    return function(*arguments)
setattr(workshop, name, die)
if hasattr(out_of_core, name):
    setattr(out_of_core, name, die)
out_of_core.arrange.__defaults__ = (300,)
step.run(Path(sys.argv[2]), Path(sys.argv[3]), DeduplicationSection(threshold=0.7), field="problem")
"""


@pytest.mark.parametrize("phase", PHASES)
def test_a_kill_in_any_phase_costs_nothing_but_time(tmp_path, phase):
    folder = write_parts(corpus(300), tmp_path / "in", [100, 100, 100])
    step.run(folder, tmp_path / "whole", SECTION, field="problem")
    out = tmp_path / "out"
    command = [sys.executable, "-c", DIE, phase, str(folder), str(out)]
    died = subprocess.run(command, cwd=Path.cwd(), capture_output=True, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    (workshop_folder,) = out.glob(".scratch-*")
    before = {path.name: os.stat(path).st_mtime_ns for path in workshop_folder.glob("rows-*.parquet")}
    step.run(folder, out, SECTION, field="problem")
    assert bytes_of(out) == bytes_of(tmp_path / "whole")
    assert before or phase == "sign_part"
    assert not list(out.glob(".*"))


def test_what_is_signed_is_not_signed_again(tmp_path, monkeypatch):
    folder = write_parts(corpus(200), tmp_path / "in", [100, 100])
    out = tmp_path / "out"
    died = subprocess.run(
        [sys.executable, "-c", DIE, "find_in_band", str(folder), str(out)], capture_output=True, timeout=120
    )
    assert died.returncode == -signal.SIGKILL

    def not_again(*_):
        raise AssertionError("signed again")

    monkeypatch.setattr("factory.deduplication.out_of_core.sign_part", not_again)
    assert step.run(folder, out, SECTION, field="problem").manifest["rows_in"] == 200


def test_pairs_are_verified_alike_from_files_and_block_by_block(tmp_path):
    table = corpus(200)
    folder = write_parts(table, tmp_path / "in", [60, 140])
    parts = workshop.parts_of(sorted(folder.iterdir()), [])
    task = workshop.Task(tmp_path, SECTION, "problem", None)
    counts = np.diff(gram_sets(table["problem"], 5).offsets).astype(np.int32)
    rng = np.random.default_rng(1)
    pairs = np.sort(rng.integers(0, 200, (500, 2)), axis=1)
    order, blocks = arrange(pairs, counts, 200)
    assert sorted(order.tolist()) == list(range(500))
    assert len(blocks) > 20
    assert [first for first, _ in blocks[1:]] == [last for _, last in blocks[:-1]]
    expected = jaccard(pairs, lambda rows: gram_sets(table["problem"].gather(rows), 5))
    found = verifier(task, "some", parts, counts, ThreadEngine(), "test")(pairs)
    assert np.array_equal(found, expected)


def test_a_missing_column_is_the_users_mistake_and_leaves_nothing(tmp_path):
    folder = write_parts(corpus(20), tmp_path / "in", [20])
    with pytest.raises(UsageError, match="no column question"):
        step.run(folder, tmp_path / "out", SECTION, field="question")
    assert not (tmp_path / "out").exists()
