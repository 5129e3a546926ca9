"""LongRoPE: two sets of rotary factors, and which one a row gets.

transformers chooses per forward, by the longest row of the batch; vLLM once, by its context length. So a row below the
original length depends on what it is packed or batched with, and vLLM samples with other factors than are trained
(measured on a tiny model: logits differ by 1.3e-3 where plain rotary codes differ by 6e-8).
"""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig

from factory.errors import UsageError
from train.data import TrainingRows
from train.manifest import Job


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


def check_rope(job: Job, rows: TrainingRows) -> None:
    """Refuse rows on both sides of the switch that would be rotated by their neighbours.

    Raises:
        UsageError: names the two ways out.
    """
    assert job.parent is not None
    switch = switch_length(AutoConfig.from_pretrained(job.layout.checkpoint(job.parent)))
    section, shortest, longest = job.section, int(rows.lengths.min()), int(rows.lengths.max())
    if job.stage == "rl":
        longest += section.max_completion_length
    else:
        longest = min(longest, section.max_length)
    alone = job.stage in ("midtrain", "sft") and not section.packing and section.micro_batch_size == 1
    if switch is None or alone or not shortest <= switch < longest:
        return
    raise UsageError(
        f"this LongRoPE model has other rotary factors beyond {switch} tokens, and rows of {shortest} to {longest} tokens "
        "would share a batch: a short row would be rotated by its longest neighbour",
        do="set train.student.long_factors=true (what vLLM does beyond that length)"
        + (
            ""
            if job.stage in ("dpo", "rl")
            else f", or train.{job.stage}.packing=false with micro_batch_size=1"
        ),
    )
