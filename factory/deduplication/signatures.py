"""What is kept of every text: an exact hash, a guard, and a MinHash signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rensa import RMinHash

from factory.deduplication.shingles import Shingles
from factory.text.hashing import U64, HashSet, hash_words, mix
from factory.text.ngrams import sequence_hashes, shingle_hashes, text_hashes, word_ngram_hashes
from factory.text.tokens import Kind, Places, Tokens, flat, in_threads, tokenize_bytes

SEED = 1
KEEP_BYTES = 2**27
"""Text whose n-grams are kept in memory; they take up to twice its bytes."""
MINUS = hash_words(["-"])[0]
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half third "
    "quarter once twice thrice double triple"
)
"""Words that the numbers-differ rule reads as numbers."""
_NUMBER_WORDS = HashSet(NUMBER_WORDS.split())


Grams = Callable[[Places], Shingles]
"""Gives the n-gram hashes of the rows with these indices, in this order."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What texts were read as, one row each.

    `exact`: hash of the canonical tokens. `guard`: rows with different guards are never duplicates (numbers, problem).
    `counts`: n-grams. `grams`: gives the n-grams of rows. `minhash`: signatures of all rows, shape (texts,
    permutations), uint32, when the n-grams are not kept in memory.
    """

    exact: U64
    guard: U64
    counts: Places
    grams: Grams
    minhash: npt.NDArray[np.uint32] | None

    def __len__(self) -> int:
        return self.exact.size


def read(
    texts: pl.Series,
    *,
    ngram: int,
    permutations: int,
    numbers_differ: bool,
    within: pl.Series | None = None,
    keep_bytes: int = KEEP_BYTES,
) -> Reading:
    """Read texts once: exact hashes, guards and n-grams.

    The n-grams of a corpus of up to `keep_bytes` of text stay in memory. Of a larger one every text is signed at once
    and its n-grams are thrown away; those of candidates are read from the text again.

    Args:
        texts: the texts; nulls count as empty.
        ngram: words a shingle.
        permutations: MinHash permutations.
        numbers_differ: texts whose numbers differ get different guards.
        within: a column; rows with different values get different guards.
        keep_bytes: largest text whose n-grams are kept.
    """
    keep = int(texts.str.len_bytes().sum() or 0) <= keep_bytes

    def work(piece: pl.Series) -> tuple[U64, U64, Places, npt.NDArray[Any]]:
        tokens = tokenize_bytes(*flat(piece))
        whole = sequence_hashes(tokens.hashes, tokens.offsets)
        empty = np.diff(tokens.offsets) == 0
        if empty.any():
            whole = np.where(empty, text_hashes(tokens.raw, tokens.bounds), whole)
        guard = _numbers(tokens) if numbers_differ else np.zeros(whole.size, dtype=np.uint64)
        found = Shingles(*shingle_hashes(tokens.hashes, tokens.offsets, ngram))
        return whole, guard, np.diff(found.offsets), found.values if keep else sign(found, permutations)

    parts = list(in_threads(work, texts))
    nothing = np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.uint64)
    exact, guard, counts, rest = (np.concatenate(part) for part in zip(*(parts or [nothing]), strict=True))
    if within is not None:
        guard = guard ^ mix(within.cast(pl.String).fill_null("").hash(SEED).to_numpy())
    if not keep:
        return Reading(exact, guard, counts, lambda rows: read_again(texts.gather(rows), ngram), rest)
    shingles = Shingles(rest, np.concatenate([[0], np.cumsum(counts)]))
    return Reading(exact, guard, counts, shingles.take, None)


def read_again(texts: pl.Series, ngram: int) -> Shingles:
    """The n-grams of some texts, when they were not kept."""
    return Shingles(*word_ngram_hashes(texts, ngram))


def sign(shingles: Shingles, permutations: int) -> npt.NDArray[np.uint32]:
    """MinHash signatures, shape (texts, permutations)."""
    signed = np.zeros((shingles.offsets.size - 1, permutations), dtype=np.uint32)

    for first, last in shingles.blocks():
        low, high = int(shingles.offsets[first]), int(shingles.offsets[last])
        offsets = (shingles.offsets[first : last + 1] - low).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.values[low:high], offsets, permutations, SEED
        )
        signed[first:last] = np.array(matrix.to_rows(), dtype=np.uint32).reshape(-1, permutations)
    return signed


def _numbers(tokens: Tokens) -> U64:
    """One hash a text of its numbers in order, with their minus signs; number words count."""
    number = tokens.kinds == Kind.NUMBER
    words = np.flatnonzero(tokens.kinds == Kind.WORD)
    number[words[_NUMBER_WORDS.positions(tokens.hashes[words])]] = True
    values = tokens.hashes.copy()
    minus = np.flatnonzero(tokens.hashes[:-1] == MINUS)
    values[minus + 1] += np.uint64(1)
    counts = np.concatenate([[0], np.cumsum(number)])
    return sequence_hashes(values[number], counts[tokens.offsets])
