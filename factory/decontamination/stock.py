"""Stock phrases: n-grams that many benchmark problems share, kept for indexes that are built of single files later."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from factory.atomic import atomic_path

if TYPE_CHECKING:
    from factory.decontamination.build import Document

KINDS = ("words", "numbers")
LEAST = 8
"""Document frequency from which an n-gram is kept."""

Stock = dict[str, tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]]


def read_stock() -> Stock:
    """`words` and `numbers`: n-gram hashes (sorted) and their document frequencies; empty when none is shipped."""
    path = Path(str(resources.files("factory.decontamination"))) / "indexes" / "stock.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {kind: (stored[kind], stored[f"{kind}_df"].astype(np.int64)) for kind in KINDS}


def write_stock(documents: Sequence[Document], folder: Path) -> None:
    """Write `stock.npz` with the frequent n-grams of these benchmarks."""
    from factory.decontamination.build import frequencies

    arrays = {}
    for kind in KINDS:
        grams, counts = frequencies(documents, kind)
        frequent = counts >= LEAST
        arrays[kind] = grams[frequent]
        arrays[f"{kind}_df"] = np.minimum(counts[frequent], 65_535).astype(np.uint16)
    with atomic_path(folder / "stock.npz") as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]
