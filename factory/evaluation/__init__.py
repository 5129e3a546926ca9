"""Evaluation: benchmarks through any sampler, with intervals that respect that samples of one question belong together."""

from factory.evaluation.evaluate import Evaluation, evaluate
from factory.evaluation.paired import PairedDelta, paired_delta
from factory.evaluation.protocols import PROTOCOLS, Protocol
from factory.evaluation.stages import StageDelta, stage_deltas
from factory.evaluation.summary import summarise

__all__ = [
    "PROTOCOLS",
    "Evaluation",
    "PairedDelta",
    "Protocol",
    "StageDelta",
    "evaluate",
    "paired_delta",
    "stage_deltas",
    "summarise",
]
