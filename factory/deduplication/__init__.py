"""Exact and near-duplicates: MinHash and LSH bands propose pairs, exact Jaccard similarity decides."""

from factory.deduplication.deduplicate import deduplicate
from factory.deduplication.result import DedupResult

__all__ = ["DedupResult", "deduplicate"]
