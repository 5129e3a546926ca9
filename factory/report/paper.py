"""The paper's stage ablation, to set measured ladders beside.

Source: "Phi-4-Mini-Reasoning: Exploring the Limits of Small Reasoning Language Models in Math" (arXiv:2504.21233),
stage ablation table and main table (Pass@1, percent, average of 3 runs); the later figures are the same authors'
own re-evaluation of the same model with 64 samples on AIME and 8 elsewhere (Phi-4-mini-flash-reasoning model card).
"""

from __future__ import annotations

BENCHMARKS = ("AIME24", "MATH-500", "GPQA-D")

LADDER: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("base", "Phi-4-Mini", (10.0, 71.8, 36.9)),
    ("midtrain", "+ distill mid-training", (30.0, 82.9, 42.6)),
    ("sft", "+ distill fine-tuning", (43.3, 89.3, 48.3)),
    ("dpo", "+ Rollout DPO", (50.0, 93.6, 49.0)),
    ("rl", "+ RL", (57.5, 94.6, 52.0)),
)
"""Stage of ours, the paper's name for it, Pass@1 on `BENCHMARKS`."""

LATER = (
    "Phi-4-mini-reasoning, the authors' later figures (64 samples on AIME, 8 elsewhere)",
    (48.13, 91.20, 44.51),
)
"""The same authors' larger-sample figures for the finished model."""

CITATION = (
    "Phi-4-Mini-Reasoning (arXiv:2504.21233), stage ablation, average of 3 runs; "
    "later figures: Phi-4-mini-flash-reasoning model card"
)
