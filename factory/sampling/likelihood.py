"""How natural traces are to a student: what each token surprises it, and at which rank it expected it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from factory.errors import UsageError
from factory.progress import watch

RANKS = 100
"""Ranks beyond this count as this (arXiv 2601.14249, section 4 and the authors' code: clipped at 100)."""


@dataclass(frozen=True, slots=True)
class Naturalness:
    """Of every trace, shape (traces,)."""

    surprisal: np.ndarray
    """Mean of its tokens, in nats."""
    rank: np.ndarray
    """Mean of its tokens; 1 is the likeliest, and beyond `RANKS` it is `RANKS`."""
    tokens: np.ndarray
    """How many were read."""

    @property
    def rank_surprisal_ratio(self) -> float:
        """Mean rank over mean surprisal, each the mean over traces; lower suits the student better (arXiv 2601.14249)."""
        return float(self.rank.mean() / max(self.surprisal.mean(), 1e-12))


def naturalness(
    student: Path, prompts: Sequence[str], traces: Sequence[str], *, most: int = 8_192
) -> Naturalness:
    """Read every trace after its prompt with a checkpoint, one by one.

    Args:
        student: folder of a causal language model with its tokenizer.
        prompts: user messages.
        traces: what follows each, with its think tags.
        most: tokens of prompt and trace that are read; the model's context if that is shorter.

    Raises:
        UsageError: a prompt leaves no room for its trace.
        FactoryError: the checkpoint cannot be loaded.
    """
    import torch

    from factory.sampling.generation import LoadedModel

    loaded = LoadedModel(student)
    room = min(most, loaded.context)
    found = []
    with torch.inference_mode(), watch("naturalness", len(traces), "traces") as task:
        for prompt, trace in zip(prompts, traces, strict=True):
            before = loaded.encode([{"role": "user", "content": prompt}]).tokens
            ids = [*before, *loaded.tokenizer(trace, add_special_tokens=False)["input_ids"]][:room]
            if len(ids) <= len(before):
                raise UsageError(
                    f"a prompt of {len(before):,} tokens leaves no room for a trace in {room:,}",
                    do="take a student with a longer context",
                )
            scores = (
                loaded.model(torch.tensor([ids], device=loaded.device))
                .logits[0, len(before) - 1 : -1]
                .float()
            )
            told = torch.tensor(ids[len(before) :], device=loaded.device)[:, None]
            own = scores.gather(1, told)
            surprisal = (torch.logsumexp(scores, 1) - own[:, 0]).mean()
            rank = (1 + (scores > own).sum(1)).clamp(max=RANKS).double().mean()
            found.append((float(surprisal), float(rank), len(told)))
            task.advance()
    columns = np.asarray(found, dtype=np.float64).reshape(-1, 3)
    return Naturalness(columns[:, 0], columns[:, 1], columns[:, 2].astype(np.int64))
