"""Merging a LoRA adapter into its base: once, in float32, with proof that the logits stayed.

Merging in bfloat16 loses most of a small update (TRL issue 6688), so the base is held in float32 from the start.
"""

from __future__ import annotations

from typing import Any

import torch

from factory.errors import FactoryError


def merge_adapter(model: Any, tolerance: float = 1e-3) -> Any:
    """The base model with the adapter added to its weights.

    Args:
        model: a PEFT model whose base is float32.
        tolerance: largest allowed change of a logit on a probe of 16 token ids.

    Raises:
        FactoryError: the base is not float32, or the merged model's logits differ.
    """
    kinds = {p.dtype for p in model.parameters() if p.is_floating_point()}
    if kinds != {torch.float32}:
        raise FactoryError(f"an adapter is merged in float32 only, this model holds {kinds}")
    device = next(model.parameters()).device
    probe = torch.arange(16, device=device).unsqueeze(0)
    model.eval()
    with torch.no_grad():
        before = model(input_ids=probe).logits
        merged = model.merge_and_unload()
        after = merged(input_ids=probe).logits
    change = (before - after).abs().max().item()
    if not change <= tolerance:
        raise FactoryError(
            f"merging the adapter changed the logits by {change:.3g} (allowed {tolerance:.0e})"
        )
    return merged
