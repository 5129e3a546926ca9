"""A small Phi-3-class student with its own tokenizer, built in code: no download, the same on every machine.

The tokenizer is byte-level, so that it can spell any text. Digits stay single; merges are learnt from the run's own
training rows. Think tags are ordinary added tokens: as special tokens they would be lost when completions are decoded
for the reward (`skip_special_tokens=True`), and no answer would ever be found.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast, set_seed

from factory.config.train import StudentSection

PAD, START, END = "<|pad|>", "<|endoftext|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
THINK = ("<think>", "</think>")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Phi-4-mini's form (docs/paper.md, Student) without its fixed identity sentence."""

PIECES = r"[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]|\s"
"""What may become one token: a digit, a word, a sign, one blank; the space before a word or sign belongs to it."""


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer learnt from `texts`.

    Args:
        texts: training rows; their order does not matter.
        vocabulary: wanted size without the added tokens; at 256 or where texts are few it stays at the bytes.
    """
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(sorted(texts), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, bos_token=START, eos_token=END, padding_side="left"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(ROLES)})
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in THINK])
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.clean_up_tokenization_spaces = False
    return tokenizer


def build_model(student: StudentSection, tokenizer: PreTrainedTokenizerFast, seed: int) -> Phi3ForCausalLM:
    """An untrained model of the section's size in float32, weights drawn by `seed`."""
    set_seed(seed)
    width = -(-len(tokenizer) // 64) * 64
    config = Phi3Config(
        vocab_size=width,
        hidden_size=student.hidden_size,
        intermediate_size=student.hidden_size * 8 // 3 // 16 * 16,
        num_hidden_layers=student.layers,
        num_attention_heads=student.heads,
        num_key_value_heads=student.heads,
        max_position_embeddings=student.positions,
        original_max_position_embeddings=student.positions,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        sliding_window=None,
    )
    model = Phi3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.eos_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def write_tiny(student: StudentSection, texts: Iterable[str], folder: Path, seed: int) -> None:
    """Build the untrained student and write it as an ordinary checkpoint folder."""
    tokenizer = build_tokenizer(texts, student.vocabulary)
    build_model(student, tokenizer, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
