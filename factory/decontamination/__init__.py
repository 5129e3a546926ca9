"""Benchmark problems in training data: found by salted hashes, reported with evidence, dropped."""

from factory.decontamination.decontaminate import DecontaminationResult, decontaminate
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.load import load_index

__all__ = ["BenchmarkIndex", "DecontaminationResult", "decontaminate", "load_index"]
