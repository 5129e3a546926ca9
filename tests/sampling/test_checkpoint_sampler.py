"""The transformers sampler on a tiny real checkpoint."""

import asyncio
import json
import shutil
import sys
import time

import polars as pl
import pytest

from factory.sampling import SampleRequest, SamplingParams, open_sampler, sample_problems
from factory.sampling.checkpoint import checkpoint_digest

PROBLEMS = pl.DataFrame(
    {
        "id": ["a", "b", "c"],
        "problem": ["1+1?", "What is 2 times 3, exactly?", "x"],
        "answer": ["2", "6", None],
        "source": ["t"] * 3,
        "own": [1, 2, 3],
    }
)
PARAMS = SamplingParams(temperature=1.0, top_p=0.95, max_tokens=12, seed=5)


def run(checkpoint, store, plan=2, problems=PROBLEMS, **options):
    sampler = open_sampler("student", model=str(checkpoint), **options)
    return sample_problems(problems, sampler, plan, PARAMS, prompt="{problem}", store=store)


def test_rows_are_in_order_and_carry_the_problem(checkpoint, tmp_path):
    rows = run(checkpoint, tmp_path / "s")
    assert rows.select("problem_id", "sample_index").rows() == [(p, i) for p in "abc" for i in (0, 1)]
    assert rows["own"].to_list() == [1, 1, 2, 2, 3, 3]
    assert rows["model_revision"].n_unique() == 1
    assert rows["model"].unique().to_list()[0].endswith("/final")
    assert rows["completion_tokens"].max() <= 12
    assert rows["content"].n_unique() > 3


def test_a_checkpoint_is_known_by_what_it_answers_not_by_when_it_was_made(checkpoint, tmp_path):
    digests = []
    for number, made in enumerate(("2026-01-01", "2026-01-02")):
        folder = shutil.copytree(checkpoint, tmp_path / str(number))
        (folder / "_manifest.json").write_text(json.dumps({"finished_at": made}))
        digests.append(checkpoint_digest(folder))
    assert set(digests) == {checkpoint_digest(checkpoint)}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    assert checkpoint_digest(folder) not in digests


def test_a_sample_does_not_depend_on_its_batch(checkpoint, tmp_path):
    together = run(checkpoint, tmp_path / "a", batch_size=6)
    alone = run(checkpoint, tmp_path / "b", batch_size=1)
    assert together.equals(alone)


def test_the_plan_chooses_samples_and_the_store_buys_the_difference(checkpoint, tmp_path, monkeypatch):
    first = run(checkpoint, tmp_path / "s", plan={"b": range(0, 2)})
    assert first["problem_id"].to_list() == ["b", "b"]
    from factory.sampling.checkpoint import CheckpointSampler

    asked = []
    real = CheckpointSampler.sample

    def spy(self, requests):
        requests = list(requests)
        asked.extend((r.problem_id, r.sample_index) for r in requests)
        return real(self, requests)

    monkeypatch.setattr(CheckpointSampler, "sample", spy)
    run(checkpoint, tmp_path / "s", plan={"b": range(0, 3), "a": range(0, 1)})
    assert sorted(asked) == [("a", 0), ("b", 2)]


def test_greedy_siblings_are_equal_and_drawn_ones_differ(checkpoint, tmp_path):
    sampler = open_sampler("transformers", model=str(checkpoint))
    greedy = SamplingParams(temperature=0.0, max_tokens=8)
    rows = sample_problems(PROBLEMS, sampler, 2, greedy, prompt="{problem}", store=tmp_path / "s")
    for problem in "abc":
        assert rows.filter(pl.col("problem_id") == problem)["content"].n_unique() == 1


def test_a_prompt_longer_than_the_context_fails_with_a_reason(checkpoint, tmp_path):
    problems = PROBLEMS.head(1).with_columns(problem=pl.lit("y" * 400))
    rows = run(checkpoint, tmp_path / "s", plan=1, problems=problems)
    assert rows["status"].to_list() == ["failed"]
    assert "context of 256" in rows["error"][0]


def test_draws_follow_the_nucleus():
    torch = pytest.importorskip("torch")
    from factory.sampling.generation import draw

    p = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).repeat(4000, 1)
    u = torch.rand(4000, 1, generator=torch.Generator().manual_seed(1))
    for top_p, allowed in ((0.7, {0, 1}), (0.5, {0}), (1.0, {0, 1, 2, 3}), (0.96, {0, 1, 2, 3})):
        tokens = draw(p, u, top_p).flatten()
        assert set(tokens.tolist()) == allowed
        mass = sum(p[0, i] for i in allowed)
        for i in allowed:
            share = (tokens == i).float().mean()
            assert abs(share - p[0, i] / mass) < 0.03


def test_a_batch_that_is_given_up_ends_at_its_next_token(checkpoint, problems, tmp_path, monkeypatch):
    from factory.sampling import generation

    def slow(self, input_ids, scores):
        time.sleep(0.1)
        return scores

    async def stopped_after(seconds):
        await asyncio.wait_for(anext(aiter(sampler.sample(requests))), seconds)

    monkeypatch.setattr(generation.RowDraw, "__call__", slow)
    sampler = open_sampler("transformers", model=str(checkpoint))
    requests = [SampleRequest("p", 0, ({"role": "user", "content": "hi"},), SamplingParams(max_tokens=200))]
    sampler._load()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(stopped_after(0.5))
    assert time.monotonic() - began < 4, "200 tokens of 0.1 s each are not waited for"


def test_a_batch_is_no_larger_than_memory_holds(checkpoint, tmp_path, monkeypatch):
    """64 rows of 32,768 tokens of a 4B student would need 512 GiB of keys and values."""
    from factory.sampling import generation

    whole = run(checkpoint, tmp_path / "a")
    model = generation.LoadedModel(checkpoint)
    prompt = model.encode([{"role": "user", "content": "1+1?"}])
    row = (len(prompt.tokens) + PARAMS.max_tokens) * 2 * 2 * 32 * 4  # both, layers, width, float32
    weights = sum(4 * each.numel() for each in model.model.parameters())

    def memory(rows):
        wanted = (weights + rows * row + row // 2) / generation.SHARE
        monkeypatch.setattr(generation, "device_memory", lambda device: wanted)
        return model.rows_that_fit(prompt, PARAMS)

    assert [memory(rows) for rows in (100, 3, 0, -10)] == [100, 3, 1, 1]
    sizes, real = [], generation.LoadedModel.generate
    monkeypatch.setattr(
        generation.LoadedModel,
        "generate",
        lambda self, prompts, *more: sizes.append(len(prompts)) or real(self, prompts, *more),
    )
    memory(3)
    assert run(checkpoint, tmp_path / "b").equals(whole)
    assert sum(sizes) == 6 and max(sizes) < 6, sizes


VLLM = """
class SamplingParams:
    def __init__(self, **values):
        self.__dict__ |= values

class LLM:
    def __init__(self, model, **options):
        self.model = model

    def chat(self, conversations, params, use_tqdm):
        from types import SimpleNamespace as Some
        return [
            Some(prompt="user", prompt_token_ids=[1, 2], outputs=[Some(text=f"{self.model} {p.max_tokens}", token_ids=[3],
                 finish_reason="stop")])
            for p in params
        ]
"""


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """A stand-in for the engine that can be imported during one test."""
    (tmp_path / "vllm.py").write_text(VLLM)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("vllm", None)


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize(("gpu", "expected"), [(True, "vllm-offline"), (False, "checkpoint")])
def test_the_student_is_sampled_by_vllm_where_it_and_a_gpu_are_there(
    checkpoint, tmp_path, monkeypatch, gpu, expected
):
    from factory.sampling import vllm_engine

    monkeypatch.setattr(vllm_engine, "has_gpu", lambda: gpu)
    sampler = open_sampler("student", model=str(checkpoint), batch_size=4)
    request = SampleRequest("a", 0, ({"role": "user", "content": "x"},), PARAMS)
    assert sampler.wire_request(request)["sampler"] == expected and sampler.name == "student"
    rows = run(checkpoint, tmp_path / "s")
    assert rows["model"].unique().to_list() == ["/".join(checkpoint.parts[-2:])], "no path of this machine"
    assert rows["model_revision"].unique().to_list() == [checkpoint_digest(checkpoint)]
    assert (rows["content"] == f"{checkpoint} 12").all() == gpu
    assert (
        open_sampler("transformers", model=str(checkpoint)).wire_request(request)["sampler"] == "checkpoint"
    )


@pytest.mark.parametrize("learned_positions", [False, True])
def test_long_prompts_neither_shorten_nor_fail_others(learned_positions, checkpoint, tmp_path):
    """One prompt over the context failed its whole batch, and one near it left no room for the answers of the others."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GPT2Config

    folder = shutil.copytree(checkpoint, tmp_path / "student" / "final")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    context = AutoConfig.from_pretrained(folder).max_position_embeddings
    if learned_positions:
        context = 96
        config = GPT2Config(vocab_size=len(tokenizer), n_positions=context, n_embd=16, n_layer=1, n_head=2)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    size = len(tokenizer("a b " * context)["input_ids"]) / context
    texts = [
        "1+1?",
        "a b " * int((context - 26) / size),
        "x",
        "a b " * int(context / size),
        "y " * 5,
        "a b " * int((context - 22) / size),
    ]
    problems = PROBLEMS.clear().vstack(
        pl.DataFrame(
            {"id": list("abcdef"), "problem": texts, "answer": ["1"] * 6, "source": ["t"] * 6, "own": list(range(6))},
            schema=PROBLEMS.schema,
        )
    )  # fmt: skip
    together = run(folder, tmp_path / "1", 1, problems, batch_size=6)
    alone = run(folder, tmp_path / "2", 1, problems, batch_size=1)
    assert together.equals(alone)
    failed = together.filter(pl.col("status") == "failed")
    assert failed["problem_id"].to_list() == ["d"]
    assert f"in a context of {context}" in failed["error"][0]
