"""Exact and near-duplicates: MinHash and LSH bands propose pairs, exact Jaccard similarity decides."""

from factory.deduplication.deduplicate import DedupResult, deduplicate

__all__ = ["DedupResult", "deduplicate"]
