"""A random student small enough to load in every worker, and the step over it; run as a program it works on Ray."""

import json
import os
import sys
from pathlib import Path

from factory.config.difficulty import DifficultySection
from factory.config.problems import ProblemsSection
from factory.config.verify import VerifySection
from factory.steps import difficulty, problems

SHARD = 4


def save_student(folder):
    """A random Llama with one token a byte; it ends its answers by chance and is never right."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|end|>": 0, "<|pad|>": 1, **{letter: i + 2 for i, letter in enumerate(alphabet)}}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,  # vLLM knows no smaller head
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        eos_token_id=0,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def ask(folder):
    problems.run(
        ProblemsSection(sources=["procedural:all?count=12&seed=3"]), folder / "p", folder / "h", seed=0
    )
    return folder / "p"


def roll(asked, folder, student, model, engine=None):
    """The step with shards of four problems."""
    difficulty.SHARD_PROBLEMS = SHARD
    return difficulty.run(
        asked,
        folder / "d",
        folder / "r",
        DifficultySection(student=student, max_tokens=120, min_samples=2, max_samples=4, batch_size=4),
        VerifySection(workers=1),
        model=model,
        store=folder / "store",
        seed=0,
        prompt="{problem}",
        engine=engine,
    ).manifest


if __name__ == "__main__":
    import ray

    from factory.engines.engine import open_engine

    os.environ["FACTORY_PROGRESS"] = "off"
    asked, out, student, model, gpus = sys.argv[1:]
    ray.init(address="local", num_cpus=2, num_gpus=int(gpus), include_dashboard=False, log_to_driver=False)
    with open_engine("ray") as engine:
        manifest = roll(Path(asked), Path(out), student, model or None, engine)
    print(json.dumps(manifest["totals"]))
