"""The kernels never read or write beyond an array: numba checks every place, and the outcome is that of array code."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

WORK = """
import random
import numpy as np
import polars as pl
from factory.config.deduplication import DeduplicationSection
from factory.decontamination.build import build, read_document
from factory.decontamination.index import BenchmarkIndex
from factory.decontamination.matcher import Matcher
from factory.deduplication.signatures import sign
from factory.text import compiled
from factory.text.tokens import flat

rng = random.Random(3)
PIECES = ["geese", "seven", "三", "Goat", "ABC", "é", "日本", "1,234", "3.14", "7", "x", "\\\\alpha", "\\\\left(", "^{n+1}", "\\\\sqrt[3]{x+1}",
          "f'", "5%", "⊂", "(", "-", " ", "\\n", "{,}", "supercalifragilistic"]
texts = ["", "?", "a", "1,234", "\\\\", "^", "'", "⊂", "é"]
texts += ["".join(rng.choices(PIECES, k=rng.randint(1, 80))) for _ in range(300)]
texts += [" ".join(rng.choices(PIECES, k=rng.randint(1, 80))) for _ in range(300)]
series = pl.Series(texts)
rows = pl.DataFrame({"problem": texts[9::3]})
matcher = Matcher(BenchmarkIndex((build([read_document("made", rows, {})], {})[0],)))
found = []
for use in (False, True):
    with compiled.forced(use):
        signed = sign(series, DeduplicationSection(ngram=3))
        hits, figures = matcher.match(*flat(series), 0.45)
    found.append([signed.exact, signed.guard, signed.counts, signed.draw, signed.keys, *hits, figures])
for one, other in zip(*found):
    assert np.array_equal(one, other)
assert len(found[0][5]) > 200
"""


@pytest.mark.long
def test_kernels_stay_within_their_arrays():
    # Code with checks is cached apart: numba would take cached code without them.
    cache = Path(tempfile.gettempdir()) / f"cot-factory-bounds-{os.getuid()}"
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", WORK], capture_output=True, text=True, env=environment, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
