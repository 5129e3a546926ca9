"""How much of a trace repeats itself: the loop score.

A loop is text that came shortly before, verbatim. The score looks at the worst stretch of a trace, so a long trace
that ends in a loop is found as surely as a short one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHINGLE = 24
"""Characters that must recur verbatim; shorter recurrences are ordinary language and notation."""
REACH = 1_000
"""How far back, in characters, a recurrence counts as a loop."""
STRETCH = 1_000
"""Characters of the stretch over which the repeated share is taken."""

_MULTIPLIERS = np.random.default_rng(20_250_430).integers(1, 2**63, SHINGLE, dtype=np.uint64) | np.uint64(1)


def loop_score(text: str) -> float:
    """The largest share of any `STRETCH` characters that repeats text at most `REACH` characters before.

    Returns:
        0 to 1; 0 for texts shorter than two shingles.
    """
    if len(text) < 2 * SHINGLE:
        return 0.0
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    repeated = _repeated(codes)
    stretch = min(STRETCH, len(repeated))
    sums = np.concatenate([[0], np.cumsum(repeated)])
    return float((sums[stretch:] - sums[:-stretch]).max() / stretch)


def _repeated(codes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """True for every shingle that also began at most `REACH` characters earlier."""
    windows = np.lib.stride_tricks.sliding_window_view(codes, SHINGLE)
    hashes = (windows * _MULTIPLIERS).sum(axis=1, dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    near = (order[1:] - order[:-1]) <= REACH
    repeated = np.zeros(len(hashes), bool)
    repeated[order[1:][same & near]] = True
    return repeated
