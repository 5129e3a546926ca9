"""A look-up table from hashes to benchmark problems that turns most strangers away with one byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.text.tokens import Places

Floats = npt.NDArray[np.float64]

SLOT_BITS = 23
SLOTS = 2**SLOT_BITS
"""Size of the filter: one byte for each value of a hash's first bits, true where some key has them."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Which problems have a key. The problems of `keys[i]` are `problems[offsets[i]..offsets[i + 1]]`."""

    keys: npt.NDArray[Any]
    offsets: Places
    problems: Places
    weights: Floats
    filter: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls, keys: npt.NDArray[np.unsignedinteger], problems: Places, weights: Floats | None = None
    ) -> Postings:
        """Sort keys with their problems. `weights` (one a key and problem) must agree for equal keys."""
        order = np.argsort(keys, kind="stable")
        distinct, first = np.unique(keys[order], return_index=True)
        weighted = np.ones(distinct.size) if weights is None else weights[order][first]
        bits = np.zeros(SLOTS, dtype=bool)
        bits[_slot(distinct)] = True
        return cls(distinct, np.append(first, keys.size), problems[order], weighted, bits)

    def find(self, keys: npt.NDArray[np.unsignedinteger]) -> tuple[Places, Places]:
        """Positions in `keys` that are known, and where in `self.keys` each of them is."""
        maybe = np.flatnonzero(self.filter[_slot(keys)])
        if not self.keys.size:
            return maybe[:0], maybe[:0]
        asked = keys[maybe]
        place = np.minimum(np.searchsorted(self.keys, asked), self.keys.size - 1)
        known = self.keys[place] == asked
        return maybe[known], place[known]

    def expand(self, places: Places) -> tuple[Places, Places]:
        """For each place all its problems: positions in `places`, and problems."""
        counts = self.offsets[places + 1] - self.offsets[places]
        total = np.cumsum(counts)
        within = np.arange(int(total[-1]) if total.size else 0) - np.repeat(total - counts, counts)
        return np.repeat(np.arange(places.size), counts), self.problems[
            np.repeat(self.offsets[places], counts) + within
        ]


def _slot(keys: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[Any]:
    return keys >> np.array(keys.dtype.itemsize * 8 - SLOT_BITS, dtype=keys.dtype)
