"""By which n-grams the problems of an index are looked for: not by all, and not by stock phrases.

A hit needs a certain share of the n-grams that are kept of a problem (`coverage_kernels`). A text that has that many has
most of them of any choice that leaves out few; so the most frequent ones are left out, which lead to most problems and
tell least. What is found by the others is looked at in full: the choice decides how fast hits are found, never which.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.decontamination.coverage_kernels import (
    COVERED,
    LEAST_GRAMS,
    LEAST_SHARED,
    LEFT_OUT,
    ROUNDING,
    STOCK_PHRASES,
    TELLING,
    VARIANT_SIMILARITY,
    Floats,
)
from factory.text.hashing import Places

LEAVE_OUT = 0.5
"""Share of the n-grams which a hit needs that are left out, of the most frequent ones."""


def rarest(
    problems: Places, places: Places, weights: Floats, counts: Places, kept: Places
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int16]]:
    """The n-grams by which problems are looked for, and how many a text must have.

    Args:
        problems: the problem of every n-gram kept of a problem, in order.
        places: which n-gram it is.
        weights: weight by n-gram, 0 for stock phrases.
        counts: n-grams of every problem.
        kept: those that are kept.

    Returns:
        Whether an n-gram of a problem is chosen, and `Problems.least`.
    """
    stock = weights[places] == 0
    frequency = np.bincount(places, minlength=weights.size)[places]
    order = np.lexsort((frequency, stock, problems))
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size) - np.repeat(np.cumsum(kept) - kept, kept)
    stocks = np.bincount(problems[stock], minlength=kept.size)
    covered, alike = needed_grams(counts, kept)
    either = np.minimum(covered, alike)
    # However many stock phrases a text with a hit has, one of the chosen n-grams must be left for it.
    left_out = np.clip(either - stocks - 1, 0, (LEAVE_OUT * either).astype(np.int64))
    chosen = ~stock & (rank < (kept - stocks - left_out)[problems])
    least = np.empty((kept.size, 4), dtype=np.int16)
    least[:, COVERED], least[:, TELLING] = covered, np.maximum(LEAST_GRAMS - left_out, 1)
    least[:, STOCK_PHRASES], least[:, LEFT_OUT] = stocks, left_out
    return chosen, least


def needed_grams(counts: Places, kept: Places) -> tuple[Places, Places]:
    """How many of a problem's kept n-grams a text must have to cover it (`judge`), and to be a variant (`alike`)."""
    covered = np.maximum(np.ceil(LEAST_SHARED * kept - ROUNDING), LEAST_GRAMS)
    each = counts / np.maximum(kept, 1)
    similar = (
        VARIANT_SIMILARITY * counts / ((1 + VARIANT_SIMILARITY) * np.maximum(each, 1) - VARIANT_SIMILARITY)
    )
    return covered.astype(np.int64), np.maximum(np.ceil(similar - ROUNDING), 1).astype(np.int64)
