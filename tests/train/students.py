"""Tiny random models in the shape of public students: their tokens, templates and configs, nothing of their weights.

Facts are those of the public tokenizer_config.json, config.json and generation_config.json of each model. Sizes are
tiny and the vocabularies are bytes plus the real special tokens. Where TRL ships a model's template, that very file is
read from the installed package; the other templates are written here to the same form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trl
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    set_seed,
)

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}

PHI4 = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
"""A conversation ends with the end of the turn and the end of the text."""

SMOLLM2 = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def shipped(name: str) -> str:
    """A template that TRL ships as the model's own."""
    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8")


@dataclass(frozen=True)
class Student:
    """What makes a public model's shape."""

    build: Callable[..., Any]
    config: Callable[..., Any]
    template: str
    special: tuple[str, ...]
    named: dict[str, str]
    """Roles in the tokenizer: bos_token, eos_token, pad_token."""
    stops: tuple[str, ...]
    ordinary: tuple[str, ...] = ()
    """Added tokens that are not special."""
    generation: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    spare_rows: int = 35
    """Rows of the embeddings beyond the vocabulary."""
    writes_bos: bool = False
    """The tokenizer itself puts the first token before a text."""


SAMPLED = {"do_sample": True, "temperature": 0.6, "top_p": 0.95}

STUDENTS: dict[str, Student] = {
    "phi4_mini": Student(
        Phi3ForCausalLM,
        Phi3Config,
        PHI4,
        (
            "<|endoftext|>", "<|endofprompt|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>", "<|tool|>",
            "<|/tool|>", "<|tool_call|>", "<|/tool_call|>", "<|tool_response|>", "<|tag|>",
        ),
        {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
        ("<|end|>", "<|endoftext|>"),
        settings={
            "tie_word_embeddings": True,
            "max_position_embeddings": 4096,
            "original_max_position_embeddings": 128,
            "partial_rotary_factor": 0.75,
            "sliding_window": None,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.75,
                "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
                "long_factor": [1.0, 1.5, 2.5, 6.0, 20.0, 32.0],
                "original_max_position_embeddings": 128,
            },
        },
    ),
    "qwen2_5": Student(
        Qwen2ForCausalLM,
        Qwen2Config,
        shipped("qwen2_5"),
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_pad|>", "<|image_pad|>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        ("<|im_end|>", "<|endoftext|>"),
        ("<tool_call>", "</tool_call>"),
        {"do_sample": True, "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20},
        {"tie_word_embeddings": True, "max_position_embeddings": 1024},
    ),
    "qwen3": Student(
        Qwen3ForCausalLM,
        Qwen3Config,
        shipped("qwen3"),
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_pad|>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        ("<|im_end|>", "<|endoftext|>"),
        ("<tool_call>", "</tool_call>", "<think>", "</think>"),
        {**SAMPLED, "top_k": 20, "repetition_penalty": 1.05},
        {"tie_word_embeddings": True, "head_dim": 16, "max_position_embeddings": 1024},
    ),
    "r1_distill": Student(
        Qwen2ForCausalLM,
        Qwen2Config,
        shipped("deepseek_r1_distill"),
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<|EOT|>", "<|vision_pad|>", "<|image_pad|>"),
        {
            "bos_token": "<｜begin▁of▁sentence｜>",
            "eos_token": "<｜end▁of▁sentence｜>",
            "pad_token": "<｜end▁of▁sentence｜>",
        },
        ("<｜end▁of▁sentence｜>",),
        ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"),
        SAMPLED,
        {"tie_word_embeddings": False, "max_position_embeddings": 1024},
        writes_bos=True,
    ),
    "llama3_2": Student(
        LlamaForCausalLM,
        LlamaConfig,
        shipped("llama3_2"),
        (
            "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|finetune_right_pad_id|>",
            "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
        ),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        (),
        {"do_sample": True, "temperature": 0.6, "top_p": 0.9},
        {"tie_word_embeddings": True, "max_position_embeddings": 1024},
        spare_rows=0,
        writes_bos=True,
    ),
    "smollm2": Student(
        LlamaForCausalLM,
        LlamaConfig,
        SMOLLM2,
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<empty_output>"),
        {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>"},
        ("<|im_end|>",),
        settings={"tie_word_embeddings": True, "max_position_embeddings": 1024},
        spare_rows=0,
    ),
    "gemma3": Student(
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        shipped("gemma3"),
        ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>"),
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        ("<eos>", "<end_of_turn>"),
        (),
        {"do_sample": True, "top_k": 64, "top_p": 0.95},
        {
            "tie_word_embeddings": True,
            "head_dim": 16,
            "max_position_embeddings": 1024,
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        writes_bos=True,
    ),
}  # fmt: skip


def tokenizer_of(student: Student) -> PreTrainedTokenizerFast:
    """Bytes and the student's added tokens, with its template and roles."""
    alphabet = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    core = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in student.special])
    core.add_tokens([AddedToken(t, special=False, normalized=False) for t in student.ordinary])
    if student.writes_bos:
        bos = student.named["bos_token"]
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, core.token_to_id(bos))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, clean_up_tokenization_spaces=False, **student.named
    )
    tokenizer.chat_template = student.template
    return tokenizer


def write_student(name: str, folder: Path) -> Path:
    """Write a student as a public checkpoint folder."""
    student = STUDENTS[name]
    tokenizer = tokenizer_of(student)
    set_seed(0)
    ids = {
        role.replace("_token", "_token_id"): tokenizer.convert_tokens_to_ids(t)
        for role, t in student.named.items()
    }
    ids.pop("unk_token_id", None)
    ids["pad_token_id"] = ids.get("pad_token_id")
    config = student.config(vocab_size=len(tokenizer) + student.spare_rows, **SIZES | student.settings, **ids)
    model = student.build(config)
    stops = [tokenizer.convert_tokens_to_ids(t) for t in student.stops]
    model.generation_config = GenerationConfig(**ids | {"eos_token_id": stops}, **student.generation)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
