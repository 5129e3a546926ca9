"""What is kept of every text: an exact hash, a guard, and a MinHash signature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from rensa import RMinHash

from factory.text.hashing import U64, HashSet, hash_words, mix
from factory.text.ngrams import ngram_hashes, sequence_hashes, text_hashes
from factory.text.tokens import Kind, Tokens, tokenize

SEED = 1
MINUS = hash_words(["-"])[0]
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half third "
    "quarter once twice thrice double triple"
)
"""Words that the numbers-differ rule reads as numbers."""
_NUMBER_WORDS = HashSet(NUMBER_WORDS.split())


@dataclass(frozen=True, slots=True)
class Signatures:
    """Signatures of texts, one row each.

    `exact`: hash of the canonical tokens. `guard`: rows with different guards are never duplicates (numbers, problem).
    `minhash`: shape (texts, permutations), uint32.
    """

    exact: U64
    guard: U64
    minhash: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return self.exact.size


def sign(
    texts: pl.Series, *, ngram: int, permutations: int, numbers_differ: bool, within: pl.Series | None = None
) -> Signatures:
    """Sign texts.

    Args:
        texts: the texts; nulls count as empty.
        ngram: words a shingle.
        permutations: MinHash permutations.
        numbers_differ: texts whose numbers differ get different guards.
        within: a column; rows with different values get different guards.
    """
    exact, guard, minhash = [], [], []
    for tokens in tokenize(texts):
        whole = sequence_hashes(tokens.hashes, tokens.offsets)
        empty = np.diff(tokens.offsets) == 0
        if empty.any():
            whole = np.where(empty, text_hashes(tokens.raw, tokens.bounds), whole)
        exact.append(whole)
        guard.append(_numbers(tokens) if numbers_differ else np.zeros(whole.size, dtype=np.uint64))
        minhash.append(_minhash(tokens, ngram, permutations))
    signatures = Signatures(
        np.concatenate(exact) if exact else np.zeros(0, np.uint64),
        np.concatenate(guard) if guard else np.zeros(0, np.uint64),
        np.concatenate(minhash) if minhash else np.zeros((0, permutations), np.uint32),
    )
    if within is None:
        return signatures
    groups = within.cast(pl.String).fill_null("").hash(SEED).to_numpy()
    return Signatures(signatures.exact, signatures.guard ^ mix(groups), signatures.minhash)


def _minhash(tokens: Tokens, ngram: int, permutations: int) -> npt.NDArray[np.uint32]:
    hashes, offsets, _ = ngram_hashes(tokens.hashes, tokens.offsets, ngram)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, offsets.astype(np.uint64), permutations, SEED
    )
    return np.array(matrix.to_rows(), dtype=np.uint32).reshape(-1, permutations)


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
