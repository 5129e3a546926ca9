"""Published evaluation protocols."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a benchmark is sampled."""

    samples: int
    temperature: float
    top_p: float
    max_tokens: int


PROTOCOLS = {
    "paper": Protocol(samples=3, temperature=0.6, top_p=0.95, max_tokens=32_768),
    "paper-64": Protocol(samples=64, temperature=0.6, top_p=0.95, max_tokens=32_768),
}
"""`paper`: temperature 0.6, top-p 0.95, 32,768 tokens, mean of 3 runs (Phi-4-Mini-Reasoning, evaluation section).
`paper-64`: the authors' later script, the same with 64 samples on AIME (microsoft/ArchScale, eval_reason)."""
