"""Batched generation with transformers and draws that do not depend on the batch. Imported only when a model is used."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.utils.logging import disable_progress_bar

from factory.errors import FactoryError
from factory.sampling.finish import status_of
from factory.sampling.sampler import Completion, Message, SamplingParams
from factory.text.reasoning import split_text

SHARE = 0.7
"""Of a device's memory, what weights, keys and values of a batch may take together."""
TOP = 512
"""Tokens that are sorted first; the nucleus nearly always lies within them."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in tokens. `prefilled`: the chat template already opened the reasoning."""

    tokens: list[int]
    prefilled: bool


class LoadedModel:
    """A causal language model with its tokenizer."""

    def __init__(self, folder: Path, device: str | None = None) -> None:
        """Load from a folder; no code of the checkpoint is run (`trust_remote_code` stays off)."""
        self.given_up = threading.Event()
        without_cudnn_attention()
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        disable_progress_bar()
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            load: Any = AutoModelForCausalLM.from_pretrained
            self.model: Any = load(
                folder, local_files_only=True, dtype=torch.float32 if self.device == "cpu" else "auto"
            )
        except (OSError, ValueError, KeyError) as error:
            raise FactoryError(
                f"cannot load the checkpoint {folder}: {str(error).splitlines()[0]}"
            ) from error
        self.model = self.model.to(self.device).eval()
        self.ends = _end_tokens(self.model, self.tokenizer)
        self.pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.ends[0]
        # A checkpoint's own penalties would change the scores here, but not in RL.
        self.model.generation_config = GenerationConfig(eos_token_id=self.ends, pad_token_id=self.pad)
        self.context = getattr(self.model.config, "max_position_embeddings", None) or 2**20
        # Rows that are done may pass the context while others go on; learned positions end there.
        self.rotary = hasattr(self.model.config.get_text_config(), "rope_parameters")
        special = [t for t in self.tokenizer.all_special_tokens if "think" not in t.lower()]
        self.strip = sorted(special, key=len, reverse=True)

    def encode(self, messages: Sequence[Message]) -> Prompt:
        """A prompt as the tokenizer's chat template writes it; plain text when it has none."""
        if self.tokenizer.chat_template:
            text: str = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
        else:
            text = "\n\n".join(m["content"] for m in messages) + "\n"
        tokens = self.tokenizer(text, add_special_tokens=not self.tokenizer.chat_template)["input_ids"]
        return Prompt(tokens, text.rstrip().endswith("<think>"))

    def rows_that_fit(self, prompt: Prompt, params: SamplingParams) -> int:
        """Rows like this one, at full length, whose keys and values fit beside the weights; at least one."""
        weights = sum(each.numel() * each.element_size() for each in self.model.parameters())
        tokens = min(self.context, len(prompt.tokens) + params.max_tokens)
        row = tokens * keys_and_values(self.model.config) * self.model.dtype.itemsize
        return max(1, int((SHARE * device_memory(self.device) - weights) // row))

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int]
    ) -> list[Completion]:
        """Answer prompts together; one completion for each, in order. What a prompt gets depends on no other prompt."""
        rooms = [min(params.max_tokens, self.context - len(p.tokens)) for p in prompts]
        apart = [room > 0 if self.rotary else room for room in rooms]
        if len(set(apart)) > 1:
            found: dict[int, Completion] = {}
            for kind in dict.fromkeys(apart):
                at = [i for i, each in enumerate(apart) if each == kind]
                alike = self.generate([prompts[i] for i in at], params, [seeds[i] for i in at])
                found |= dict(zip(at, alike, strict=True))
            return [found[i] for i in range(len(prompts))]
        if max(rooms) < 1:
            return [_too_long(len(p.tokens), self.context) for p in prompts]
        longest = max(len(p.tokens) for p in prompts)
        ids = torch.full((len(prompts), longest), self.pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt.tokens) :] = torch.tensor(prompt.tokens)
            mask[row, longest - len(prompt.tokens) :] = 1
        draws: list[LogitsProcessor] = [] if params.temperature == 0 else [RowDraw(params, seeds)]
        out = self.model.generate(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            max_new_tokens=max(rooms),
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self.pad,
            eos_token_id=self.ends,
            logits_processor=LogitsProcessorList(draws),
            stopping_criteria=StoppingCriteriaList([GivenUp(self.given_up)]),
        )
        new = out[:, longest:].tolist()
        return [self._completion(p, ids[:room]) for p, ids, room in zip(prompts, new, rooms, strict=True)]

    def _completion(self, prompt: Prompt, tokens: list[int]) -> Completion:
        end = next((i for i, token in enumerate(tokens) if token in self.ends), None)
        finish = "length" if end is None else "stop"
        text: str = self.tokenizer.decode(tokens[:end], skip_special_tokens=False)
        for mark in self.strip:
            text = text.replace(mark, "")
        parts = split_text(text, prefilled=prompt.prefilled)
        return Completion(
            reasoning=parts.reasoning,
            content=parts.content or None,
            status=status_of(parts, finish),
            finish_reason=finish,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(tokens) if end is None else end + 1,
        )


def keys_and_values(config: Any) -> int:
    """Numbers that a model keeps of every token it has read."""
    text = config.get_text_config()
    heads = int(text.num_attention_heads)
    head = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    return 2 * int(text.num_hidden_layers) * head * int(getattr(text, "num_key_value_heads", None) or heads)


def device_memory(device: str) -> int:
    """Bytes of a card, or of this machine."""
    if device == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(torch.cuda.get_device_properties(device).total_memory)


def without_cudnn_attention() -> None:
    """Take cuDNN out of torch's choice of attention kernels, in this process.

    On Hopper and later torch asks cuDNN first, which makes a plan for every new (batch, length): with texts of all
    lengths, and with every sampled token, that costs milliseconds a layer (docs/gpu.md; modelscope/FunASR issue 3704).
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


class GivenUp(StoppingCriteria):
    """Ends a batch that nobody waits for any more: a thread cannot be interrupted in any other way."""

    def __init__(self, flag: threading.Event) -> None:
        self.flag = flag

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **rest: Any
    ) -> torch.BoolTensor:
        """True for every row once the flag is set."""
        return torch.full((input_ids.shape[0],), self.flag.is_set(), device=input_ids.device)  # type: ignore[return-value]


class RowDraw(LogitsProcessor):
    """Temperature, nucleus and the draw itself, with one generator a row; leaves only the drawn token possible."""

    def __init__(self, params: SamplingParams, seeds: Sequence[int]) -> None:
        self.temperature, self.top_p = params.temperature, params.top_p
        self.generators = [random.Random(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores (rows, vocabulary) with all but the drawn token at minus infinity."""
        probabilities = torch.softmax(scores.float() / self.temperature, dim=-1)
        uniform = torch.tensor([[g.random()] for g in self.generators], device=scores.device)
        drawn = draw(probabilities, uniform, self.top_p)
        only = torch.full_like(scores, float("-inf"))
        return only.scatter_(1, drawn, 0.0)  # type: ignore[return-value]


def draw(probabilities: torch.Tensor, uniform: torch.Tensor, top_p: float) -> torch.Tensor:
    """Draw one token a row from its nucleus by inverting the cumulative distribution.

    Args:
        probabilities: (rows, vocabulary), each row summing to 1.
        uniform: (rows, 1) in [0, 1).
        top_p: mass of the nucleus: the smallest set of likeliest tokens that reaches it.

    Returns:
        (rows, 1) token ids.
    """
    if top_p >= 1:
        sums = probabilities.cumsum(-1)
        place = torch.searchsorted(sums, uniform * sums[:, -1:], right=True)
        return place.clamp_(max=probabilities.shape[-1] - 1)
    size = min(TOP, probabilities.shape[-1])
    values, ids = probabilities.topk(size, dim=-1)
    if bool((values.sum(-1) < top_p).any()):
        values, ids = probabilities.sort(dim=-1, descending=True)
    sums = values.cumsum(-1)
    inside = sums - values < top_p
    mass = (values * inside).sum(-1, keepdim=True)
    place = torch.searchsorted(sums, uniform * mass, right=True)
    last = inside.sum(-1, keepdim=True) - 1
    return ids.gather(1, torch.minimum(place, last))


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    ends = model.generation_config.eos_token_id
    found = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
    return sorted(token for token in found if token is not None) or [0]


def _too_long(tokens: int, context: int) -> Completion:
    from schemas import ResponseStatus

    error = f"the prompt's {tokens} tokens leave no room in a context of {context}"
    return Completion(None, None, ResponseStatus.FAILED, prompt_tokens=tokens, error=error)
