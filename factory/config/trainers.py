"""The trainers that sets are exported for."""

from __future__ import annotations

from typing import Literal

Trainer = Literal[
    "trl", "llama-factory", "axolotl", "verl", "open-instruct", "openrlhf", "ms-swift", "prime-rl", "nemo-gym", "skyrl",
    "slime", "openai",
]  # fmt: skip
"""Names of `factory.datasets.trainer_formats.FORMATS`."""
