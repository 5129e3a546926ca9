"""A tiny real checkpoint built in code, and a server that fails on purpose."""

import polars as pl
import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A random Llama of 50 k parameters with a byte-level tokenizer and a chat template."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("sft") / "final"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|end|>": 0, "<|pad|>": 1, "<think>": 2, "</think>": 3}
    vocabulary |= {letter: i + 4 for i, letter in enumerate(alphabet)}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=0,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def problems():
    """`problems(n)`: a table of n small problems."""

    def table(count, **columns):
        frame = pl.DataFrame(
            {
                "id": [f"q{i}" for i in range(count)],
                "problem": [f"What is {i} + {i}?" for i in range(count)],
                "answer": [str(2 * i) for i in range(count)],
                "source": ["test"] * count,
            }
        )
        return frame.with_columns(**columns)

    return table
