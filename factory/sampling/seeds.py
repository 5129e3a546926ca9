"""The seed of one sample."""

from __future__ import annotations

import hashlib


def sample_seed(seed: int, problem_id: str, sample_index: int) -> int:
    """A seed below 2^31 that differs between siblings and does not depend on other requests."""
    text = f"{seed}:{problem_id}:{sample_index}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1
