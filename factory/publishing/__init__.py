"""What is published: training-set shards, the data card, Croissant metadata, the upload to the Hub."""

from factory.publishing.shards import SORT_KEYS, Shards, write_shards

__all__ = ["SORT_KEYS", "Shards", "write_shards"]
