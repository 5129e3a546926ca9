"""How much of a trace repeats itself: the loop score.

A loop is text that came shortly before, verbatim. The score looks at the worst stretch of a trace, so a long trace
that ends in a loop is found as surely as a short one.
"""

from __future__ import annotations

import numpy as np

from factory.text.ngrams import SequenceHasher

SHINGLE = 24
"""Characters that must recur verbatim; shorter recurrences are ordinary language and notation."""
REACH = 1_000
"""How far back, in characters, a recurrence counts as a loop."""
STRETCH = 1_000
"""Characters of the stretch over which the repeated share is taken."""


def loop_score(text: str) -> float:
    """The largest share of any `STRETCH` characters that repeats text at most `REACH` characters before.

    Returns:
        0 to 1; 0 for texts shorter than two shingles.
    """
    if len(text) < 2 * SHINGLE:
        return 0.0
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    shingles = np.arange(codes.size - SHINGLE + 1)
    hashes = SequenceHasher(codes)(shingles, SHINGLE)
    # Sorted by hash and place: the high bits of the hash, the place in the low bits.
    bits = np.uint64(codes.size.bit_length())
    ordered = np.sort(hashes >> bits << bits | shingles.astype(np.uint64))
    places = (ordered & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    again = (hashes[places[1:]] == hashes[places[:-1]]) & (np.diff(places) <= REACH)
    repeated = np.zeros(shingles.size + 1, dtype=np.int64)
    repeated[places[1:][again] + 1] = 1
    sums, width = np.cumsum(repeated), min(STRETCH, shingles.size)
    return float((sums[width:] - sums[:-width]).max() / width)
