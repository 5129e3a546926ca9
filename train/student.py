"""The student: loaded from a checkpoint, built small in code, its rotary factors, an adapter merged into it.

The tiny student is of the Phi-3 class and the same on every machine. Its tokenizer is byte-level, so that it can spell
any text; digits stay single; merges are learnt from the run's own training rows. Think tags are ordinary added tokens:
as special tokens they would be lost when completions are decoded for the reward (`skip_special_tokens=True`).

LongRoPE has two sets of rotary factors. transformers chooses per forward, by the longest row of the batch; vLLM once, by
its context length. So a row below the original length depends on what it is packed or batched with, and vLLM samples
with other factors than are trained (measured on a tiny model: logits differ by 1.3e-3 where plain rotary codes differ by
6e-8).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    set_seed,
)

from factory.config.train import StudentSection
from factory.errors import FactoryError, UsageError, first_line
from factory.sampling.generation import without_cudnn_attention

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

PIECES = r"[0-9]| ?[A-Za-z]+|[^\sA-Za-z0-9]|\s"
"""What may become one token: a digit, a word with the space before it, a sign, one blank. A sign has no space of its own:
`+` is the same token in a question and in the work."""


HOW_LOADED = ("is_local", "local_files_only")
"""What transformers writes into tokenizer_config.json of how it was loaded: with it a checkpoint's digest, and every draw that
goes by it, would depend on `HF_HUB_OFFLINE`."""


def load_tokenizer(folder: Path | str, template: str | None, revision: str | None = None) -> Any:
    """A checkpoint's tokenizer, with the recipe's chat template in place of its own if there is one."""
    tokenizer = loaded(AutoTokenizer, folder, revision)
    for name in HOW_LOADED:
        tokenizer.init_kwargs.pop(name, None)
    if template is not None:
        try:
            tokenizer.chat_template = Path(template).read_text("utf-8")
        except OSError as error:
            raise UsageError(f"cannot read train.student.chat_template {template}: {error}") from error
    if tokenizer.chat_template is None:
        raise UsageError(f"{folder} has no chat template", do="name one with train.student.chat_template")
    return tokenizer


def loaded(kind: Any, name: Path | str, revision: str | None) -> Any:
    """A tokenizer or model at the pinned revision.

    Raises:
        UsageError: transformers cannot load it.
    """
    try:
        return kind.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        at = f" at revision {revision}" if revision else ""
        raise UsageError(f"cannot load the student {name}{at}: {first_line(error)}") from error


def load_model(folder: Path, attention: str | None) -> Any:
    """A checkpoint's model in float32; lower precision is the arithmetic's business (autocast), not the weights'."""
    without_cudnn_attention()
    kwargs = {"attn_implementation": attention} if attention else {}
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **kwargs)


def empty_model(config: Any) -> Any:
    """The model of a config without any weights, to count and to try things on."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        model.tie_weights()
    return model


def switch_length(config: Any) -> int | None:
    """Tokens beyond which the long factors are used; None when there is only one set of factors."""
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope" or rope.get("short_factor") == rope.get("long_factor"):
        return None
    at = rope.get("original_max_position_embeddings") or config.original_max_position_embeddings
    return int(at)


def long_factors(config: Any) -> None:
    """Use the long factors at every length.

    Raises:
        UsageError: the model has no LongRoPE.
    """
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        raise UsageError("train.student.long_factors is for LongRoPE models; this one has none")
    rope["short_factor"] = rope["long_factor"]


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


def merge_adapter(base: Any, adapter: Path, tolerance: float = 1e-3) -> Any:
    """The base model with a saved adapter added to its weights: once, by one process, with proof that the logits stayed.

    The adapter is merged from its file and not in the trainer: under FSDP the trained model is divided over the processes,
    and a forward on one of them would wait for the others for ever. Merging in bfloat16 loses most of a small update (TRL
    issue 6688), so the base is read in float32.

    Args:
        base: a float32 model, changed in place.
        adapter: folder of the adapter.
        tolerance: largest allowed change of a logit on a probe of 16 token ids.

    Raises:
        FactoryError: the base is not float32, or the merged model's logits differ.
    """
    from peft import PeftModel

    kinds = {p.dtype for p in base.parameters() if p.is_floating_point()}
    if kinds != {torch.float32}:
        raise FactoryError(f"an adapter is merged in float32 only, this model holds {kinds}")
    model: Any = PeftModel.from_pretrained(base, str(adapter)).eval()
    probe = torch.arange(16).unsqueeze(0)
    with torch.no_grad():
        before = model(input_ids=probe).logits
        merged = model.merge_and_unload(safe_merge=True)
        after = merged(input_ids=probe).logits
    change = (before - after).abs().max().item()
    if not change <= tolerance:
        raise FactoryError(
            f"merging the adapter changed the logits by {change:.3g} (allowed {tolerance:.0e})"
        )
    return merged
