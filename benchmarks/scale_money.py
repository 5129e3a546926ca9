"""What the paper's run costs in tokens, days and dollars: published figures, each with its source, multiplied out."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scale_projection import ROLLOUTS, TOKENS_A_ROLLOUT
from factory.sampling.presets import PRESETS

H100_HOUR = (2.35, 6.88)
"""Dollars: lowest one-year reservation and highest on-demand list price of early 2026 (compux.net, GPU pricing trends
in 2026, which quotes SemiAnalysis; read from a stored copy in November 2026)."""
PAPER_GPUS, PAPER_DAYS = 128, 2
"""Training: the authors' model card."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A published rate of serving R1: tokens a second by so many GPUs."""

    what: str
    gpus: int
    tokens_a_second: float


OWN = (
    Serving(
        "Open-R1's cluster, 180,000 traces a day (Hugging Face, Open-R1 update 2, 2025-02)",
        512,
        180_000 * TOKENS_A_ROLLOUT / 86_400,
    ),
    Serving(
        "one tuned 8 x H200 node, SGLang 0.5.3, ShareGPT: 7,143 tokens/s, prompts counted (GPUStack, 2025-11)",
        8,
        7_143,
    ),
)


def money_table() -> str:
    """Buying or making the paper's rollouts, and training on them."""
    tokens = ROLLOUTS * TOKENS_A_ROLLOUT
    low, high = H100_HOUR
    lines = [
        f"{tokens / 1e9:.0f} B teacher tokens; an H100-hour at {low:.2f} to {high:.2f} dollars.",
        "",
        "| what | GPU-hours | days on 64 GPUs | dollars at the H100 price |",
        "|---|---|---|---|",
    ]
    for preset in PRESETS.values():
        if preset.prices is not None and preset.name.startswith("deepseek"):
            price, dated = preset.prices.completion, preset.prices.dated
            cost = tokens / 1e6 * price
            lines.append(
                f"| rollouts bought from `{preset.name}`, {price:.2f} a million (list of {dated}) | | | {cost:,.0f} |"
            )
    for serving in OWN:
        hours = tokens / serving.tokens_a_second / 3600 * serving.gpus
        lines.append(_row(f"rollouts at the rate of {serving.what}", hours))
    lines.append(_row("the paper's training, 128 x H100 for 2 days", PAPER_GPUS * PAPER_DAYS * 24.0))
    return "\n".join(lines)


def _row(what: str, hours: float) -> str:
    low, high = H100_HOUR
    return f"| {what} | {hours:,.0f} | {hours / 64 / 24:,.1f} | {hours * low:,.0f} to {hours * high:,.0f} |"
