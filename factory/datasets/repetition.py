"""How much of a trace repeats itself: the loop score.

A loop is text that came shortly before, verbatim. The score looks at the worst stretch of a trace, so a long trace
that ends in a loop is found as surely as a short one.
"""

from __future__ import annotations

import numpy as np

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
    from factory.datasets.repetition_kernels import worst_stretch

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return float(worst_stretch(codes, SHINGLE, REACH, STRETCH))
