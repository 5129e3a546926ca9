"""Merging a LoRA adapter into its base: once, in float32, by one process, with proof that the logits stayed.

The adapter is merged from its file and not in the trainer: under FSDP the trained model is divided over the processes,
and a forward on one of them would wait for the others for ever. Merging in bfloat16 loses most of a small update (TRL
issue 6688), so the base is read in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from factory.errors import FactoryError


def merge_adapter(base: Any, adapter: Path, tolerance: float = 1e-3) -> Any:
    """The base model with a saved adapter added to its weights.

    Args:
        base: a float32 model, changed in place.
        adapter: folder of the adapter.
        tolerance: largest allowed change of a logit on a probe of 16 token ids.

    Raises:
        FactoryError: the base is not float32, or the merged model's logits differ.
    """
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
