"""The student's special tokens: padding, end of a turn, stop tokens, and whether the prompt opens the reasoning.

Public checkpoints rarely fit a trainer as they are: Phi-4-mini, SmolLM2 and the R1 distills pad with the token that ends
a text, Llama 3 has no padding token, Qwen2.5 samples with a repetition penalty of its own. Stage `base` settles this
once, in tokenizer, config and generation config alike, so that transformers, TRL and vLLM read the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from transformers import GenerationConfig

from factory.errors import UsageError

PAD = "<|pad|>"
"""Name of the padding token that is added when the vocabulary has no unused one."""

PROBE = "qzq"
_TURN = [{"role": "user", "content": "x"}, {"role": "assistant", "content": PROBE}]
_UNUSED = (("pad",), ("reserved", "unused", "dummy", "placeholder"), ("endoftext",))
"""What unused special tokens are called, the best name first."""


def render(tokenizer: Any, messages: Sequence[dict[str, str]], *, prompt: bool = False) -> list[int]:
    """Token ids of a conversation; with `prompt`, up to where the assistant begins to write.

    Raises:
        UsageError: the template refuses the messages, for instance a system message that it does not know.
    """
    return list(_templated(tokenizer, messages, add_generation_prompt=prompt, return_dict=True)["input_ids"])


def _templated(tokenizer: Any, messages: Sequence[dict[str, str]], **how: Any) -> Any:
    try:
        return tokenizer.apply_chat_template(messages, **how)
    except TemplateError as error:
        roles = ", ".join(str(m["role"]) for m in messages)
        raise UsageError(
            f"the chat template refuses a conversation of {roles} ({error})",
            do="give another template (train.student.chat_template)",
        ) from error


def turn_tail(tokenizer: Any) -> list[int]:
    """Token ids that the chat template writes after an answer's text."""
    text = _templated(tokenizer, _TURN, tokenize=False)
    tail: list[int] = tokenizer(text.rpartition(PROBE)[2], add_special_tokens=False)["input_ids"]
    return tail


def end_token(tokenizer: Any) -> int:
    """The token that ends an assistant's turn: the first special one after the answer, else the last visible one.

    Raises:
        UsageError: the template writes nothing after an answer and there is no end-of-text token.
    """
    return _end_token(tokenizer, str(tokenizer.chat_template), tokenizer.eos_token_id, len(tokenizer))


@lru_cache(maxsize=8)
def _end_token(tokenizer: Any, template: str, end: int | None, size: int) -> int:
    """`end_token`, computed once for a tokenizer as it is now: it is asked for every row."""
    tail, special = turn_tail(tokenizer), set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    marks = [i for i in tail if i in special]
    visible = [i for i in tail if tokenizer.decode([i]).strip()]
    found = marks[:1] or visible[-1:] or [i for i in (end,) if i is not None]
    if not found:
        raise UsageError(
            "the chat template writes nothing after an answer, so the student cannot learn to stop",
            do="give a template that ends a turn with a token (train.student.chat_template)",
        )
    return int(found[0])


def opens_thinking(tokenizer: Any) -> bool:
    """Whether the chat template's generation prompt already opens `<think>`, as the R1 distills' does."""
    prompt = _templated(tokenizer, _TURN[:1], tokenize=False, add_generation_prompt=True)
    return bool(prompt.rstrip().endswith("<think>"))


def fix_date(template: str) -> str:
    """The template with calls for today's date replaced by one day: Llama 3's rows would change from day to day."""

    def day(call: re.Match[str]) -> str:
        return f'"{datetime(2024, 7, 26, tzinfo=UTC).strftime(call[2])}"'

    return re.sub(r"""strftime_now\((["'])(.*?)\1\)""", day, template)


def stop_tokens(config: Any) -> list[int]:
    """The end-of-text ids of a model config or generation config, as a list."""
    ends = config.eos_token_id
    return [] if ends is None else list(ends) if isinstance(ends, list | tuple) else [int(ends)]


def settle_tokens(tokenizer: Any, model: Any, wanted: str | None) -> tuple[dict[str, Any], str]:
    """Give tokenizer and model a padding token of their own, and stop where the template ends a turn.

    The generation config keeps its token ids and nothing else: a checkpoint's own penalties and temperatures would reach
    evaluation and difficulty, but not RL.

    Args:
        tokenizer: changed in place.
        model: changed in place; its embeddings grow when a new token needs a row.
        wanted: the recipe's `student.pad_token`; None chooses.

    Returns:
        Facts for the manifest, and one line for the user.

    Raises:
        UsageError: `wanted` is the token that ends a turn.
    """
    tokenizer.chat_template = fix_date(tokenizer.chat_template)
    end, before = end_token(tokenizer), tokenizer.pad_token
    taken = {end, tokenizer.eos_token_id}
    rows = model.get_input_embeddings().weight.shape[0]
    if wanted is not None:
        known = tokenizer.get_vocab().get(wanted)
        if known in taken:
            raise UsageError(f"train.student.pad_token {wanted!r} is the token that ends a turn")
        tokenizer.add_special_tokens({"pad_token": wanted})
        how = "named by the recipe" if known is not None else "named by the recipe, new"
    elif tokenizer.pad_token_id is not None and tokenizer.pad_token_id not in taken:
        how = "the checkpoint's own"
    else:
        unused = _unused(tokenizer, taken | set(stop_tokens(model.generation_config)), rows)
        tokenizer.add_special_tokens({"pad_token": unused or PAD})
        how = f"an unused token of the vocabulary; the checkpoint's: {before}" if unused else "new"
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64, mean_resizing=False)
    stops = stop_tokens(model.generation_config) or stop_tokens(model.config)
    ends = [i for i in dict.fromkeys([*stops, end, tokenizer.eos_token_id]) if i is not None]
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": ends}
    model.generation_config = GenerationConfig(bos_token_id=tokenizer.bos_token_id, **ids)
    model.config.get_text_config().update(ids)
    facts = {
        "pad": tokenizer.pad_token,
        "pad_how": how,
        "end": tokenizer.convert_ids_to_tokens(end),
        "stops": tokenizer.convert_ids_to_tokens(ends),
        "opens_thinking": opens_thinking(tokenizer),
        "embeddings": [rows, model.get_input_embeddings().weight.shape[0]],
    }
    return facts, f"base: padding token {tokenizer.pad_token} ({how}), end of a turn {facts['end']}"


def _unused(tokenizer: Any, taken: set[int | None], rows: int) -> str | None:
    """A special token of the vocabulary that nothing uses: no role, no stop token, not written by the template."""
    shown = str(tokenizer.chat_template) + tokenizer.apply_chat_template(_TURN, tokenize=False)
    named = {tokenizer.bos_token_id, *taken}
    free = [
        token.content
        for number, token in sorted(tokenizer.added_tokens_decoder.items())
        if token.special and number not in named and number < rows and token.content not in shown
    ]
    ranked = (content for names in _UNUSED for content in free if any(n in content.lower() for n in names))
    return next(ranked, None)
