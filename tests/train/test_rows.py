"""Rows as they are trained on: masks, lengths, order; packed rows see only their own document."""

import copy
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from datasets import Dataset
from trl import SFTTrainer

from factory.errors import UsageError
from factory.run.layout import RunLayout
from train import data
from train.data import completion_rows, encode, prompt_rows, reading_order
from train.run import run_stage
from train.stage import Job
from train.stages import prepare
from train.student import load_model


@pytest.fixture(scope="module")
def job(trained, tiny_recipe):
    return lambda stage, **train: Job(tiny_recipe(**train), trained, stage)


def tokenizer(job):
    return prepare(job).tokenizer


def test_loss_covers_the_answer_and_its_end_only(job):
    of = job("sft")
    tok = tokenizer(of)
    rows = completion_rows(of, tok)
    assert rows.read == len(rows.rows) == 24 and not rows.overlong
    for row in rows.rows:
        learnt = [i for i, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100]
        text = tok.decode(learnt)
        assert text.startswith("<think>\n") and text.endswith("}<|end|>")
        assert "<|user|>" not in text
    whole = completion_rows(job("sft", sft={"loss_on_prompt": True}), tok)
    assert whole.rows[0]["labels"] == whole.rows[0]["input_ids"]


def test_overlong_rows_are_dropped_cut_or_refused_as_the_recipe_says(job):
    tok = tokenizer(job("sft"))
    lengths = sorted(completion_rows(job("sft"), tok).lengths.tolist())
    limit = lengths[len(lengths) // 2] - 1
    longer = sum(length > limit for length in lengths)
    dropped = completion_rows(job("sft", sft={"max_length": limit}), tok) if longer < 24 else None
    limit = max(lengths) - 1
    longer = sum(length > limit for length in lengths)
    dropped = completion_rows(job("sft", sft={"max_length": limit}), tok)
    assert len(dropped.rows) == 24 - longer and len(dropped.overlong) == longer > 0
    assert all(row["tokens"] > limit and row["problem_id"].startswith("p-") for row in dropped.overlong)
    cut = completion_rows(job("sft", sft={"max_length": limit, "overlong": "truncate"}), tok)
    assert len(cut.rows) == 24 and max(map(len, cut.rows["input_ids"])) == limit
    with pytest.raises(UsageError, match=r"longer than \d+ tokens .*overlong"):
        completion_rows(job("sft", sft={"max_length": limit, "overlong": "raise"}), tok)


def test_a_set_with_no_row_left_is_refused(job):
    with pytest.raises(UsageError, match="every row"):
        completion_rows(job("sft", sft={"max_length": 8}), tokenizer(job("sft")))


def test_rl_rows_keep_their_order_and_repeat_instead_of_new_epochs(job):
    tok = tokenizer(job("sft"))
    once = prompt_rows(job("rl", rl={"max_steps": None}), tok)
    assert once.rows["problem_id"] == [f"p-{i}" for i in range(48)]
    twice = prompt_rows(job("rl", rl={"max_steps": None, "epochs": 2}), tok)
    assert twice.rows["problem_id"] == [f"p-{i}" for i in range(48)] * 2
    five = prompt_rows(job("rl", rl={"max_steps": 5}), tok)
    numbers = [int(name.removeprefix("p-")) for name in five.rows["problem_id"]]
    assert len(numbers) == 5 * 2 and numbers == sorted(numbers)
    assert numbers[-1] > 40, (
        "the first rows are the shortest prompts: a short run must not train on them alone"
    )


def test_a_template_that_rewrites_the_prompt_is_refused(job):
    tok = copy.deepcopy(tokenizer(job("sft")))
    tok.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(UsageError, match="renders a prompt differently"):
        encode(
            tok,
            [{"role": "user", "content": "a"}],
            [{"role": "assistant", "content": "b"}],
            loss_on_prompt=False,
        )


def test_packed_logits_are_those_of_separate_documents(job):
    of = job("midtrain")
    prepared = prepare(of)
    model = load_model(of.layout.checkpoint("base"), None)
    torch.manual_seed(0)
    for p in model.parameters():  # an untrained model hardly looks at its context: make it look
        p.data.add_(torch.randn_like(p) * 0.1)
    trainer = SFTTrainer(
        model, args=prepared.config, train_dataset=prepared.rows.rows, processing_class=prepared.tokenizer
    )
    row = next(r for r in trainer.train_dataset if len(r["seq_lengths"]) > 2)
    batch = trainer.data_collator([row])
    with torch.no_grad():
        packed = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"]).logits[0]
        start = 0
        for length in row["seq_lengths"]:
            ids = torch.tensor(row["input_ids"][start : start + length]).unsqueeze(0)
            alone = model(input_ids=ids).logits[0]
            assert (alone - packed[start : start + length]).abs().max() < 1e-4
            start += length
        leaking = model(input_ids=batch["input_ids"]).logits[0]
    assert (leaking - packed).abs().max() > 1e-2, "the test cannot tell leaking from separate documents"


def test_missing_set_and_missing_parent_are_one_line(tmp_path, tiny_recipe, make_sets):
    with pytest.raises(UsageError, match=r"train-.*parquet.*factory run"):
        run_stage(tiny_recipe(), tmp_path, "base")
    make_sets(RunLayout(tmp_path))
    with pytest.raises(UsageError, match="starts from base, which is not trained"):
        run_stage(tiny_recipe(), tmp_path, "midtrain")


def test_exported_rows_are_read_whatever_their_shards(trained, tiny_recipe, tmp_path, make_sets):
    run = RunLayout(tmp_path)
    make_sets(run)
    whole = run.dataset("midtrain") / "train-00000-of-00001.parquet"
    frame = pl.read_parquet(whole)
    frame[:20].write_parquet(run.dataset("midtrain") / "train-00000-of-00002.parquet")
    frame[20:].write_parquet(run.dataset("midtrain") / "train-00001-of-00002.parquet")
    whole.unlink()
    run_stage(tiny_recipe(), tmp_path, "base")
    rows = completion_rows(
        Job(tiny_recipe(), run, "midtrain"), tokenizer(Job(tiny_recipe(), run, "midtrain"))
    )
    assert rows.read == 48


@pytest.fixture
def midtrain(trained, tiny_recipe, tmp_path):
    """The job of a run of its own."""
    shutil.copytree(trained.run, tmp_path / "run", ignore=shutil.ignore_patterns(".cache"))
    return Job(tiny_recipe(), RunLayout(tmp_path / "run"), "midtrain")


def test_several_processes_make_the_same_rows_and_their_refusals_come_through(midtrain, monkeypatch):
    tok, cache = tokenizer(midtrain), midtrain.layout.run / "train" / ".cache"
    alone = completion_rows(midtrain, tok)
    expected = alone.rows.to_dict()
    shutil.rmtree(cache)
    monkeypatch.setattr(data, "ROWS_A_WORKER", 10)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    several = completion_rows(midtrain, tok)
    assert len(list(cache.rglob("cache-*_of_00002.arrow"))) == 2
    assert several.rows.to_dict() == expected and (several.lengths == alone.lengths).all()
    assert several.rows.features["input_ids"].feature.dtype == "int32"
    tok.chat_template = "{{ raise_exception('no such role') }}"
    with pytest.raises(UsageError, match=r"refuses a conversation.*no such role"):
        completion_rows(midtrain, tok)


def test_tokenising_that_was_broken_off_resumes_at_its_shard(midtrain, monkeypatch):
    """What is there already is read: by the next attempt, and by the other processes of this one."""
    folder, tok, calls, real = midtrain.data, tokenizer(midtrain), [], Dataset.map
    whole, frame = completion_rows(midtrain, tok).rows.to_dict(), pl.read_parquet(folder)
    shutil.rmtree(midtrain.layout.run / "train" / ".cache")
    (folder / "train-00000-of-00001.parquet").unlink()
    for i in range(3):
        frame[i * 16 : (i + 1) * 16].write_parquet(folder / f"train-{i:05d}-of-00003.parquet")

    def third_is_broken_off(*rows, **how):
        calls.append(how)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*rows, **how)

    def made():
        return {path: path.stat().st_mtime_ns for path in midtrain.layout.run.rglob("cache-*.arrow")}

    monkeypatch.setattr(Dataset, "map", third_is_broken_off)
    with pytest.raises(KeyboardInterrupt):
        completion_rows(midtrain, tok)
    first = made()
    rows = completion_rows(midtrain, tok)
    assert rows.read == 48 and rows.rows.to_dict() == whole
    second = made()
    assert len(first) == 2 and first.items() < second.items() and len(second) == 3
    completion_rows(midtrain, tok)
    assert made() == second


def test_reading_order_passes_over_every_row_and_groups_like_lengths(job):
    of = job("sft", sft={"epochs": 3, "batch_size": 8})
    lengths = np.random.default_rng(0).integers(10, 100, size=1000)
    order = reading_order(of, lengths)
    for one in order.reshape(3, 1000):
        assert sorted(one) == list(range(1000))
    assert not (order[:1000] == order[1000:2000]).all()
    assert (order == reading_order(of, lengths)).all()
    spread = np.ptp(lengths[order[:400]].reshape(50, 8), axis=1)
    alone = np.ptp(lengths[: 50 * 8].reshape(50, 8), axis=1)
    assert spread.mean() < 0.15 * alone.mean()
    first = lengths[order[:400]].reshape(50, 8).mean(axis=1)
    assert not (np.diff(first) <= 0).all(), "steps must not run from long to short"
    capped = job("sft", sft={"max_steps": 5, "batch_size": 8})
    assert len(reading_order(capped, lengths)) == 40
