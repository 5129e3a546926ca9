"""Building an index: benchmark problems in, hashes out.

Boilerplate n-grams, which many benchmark problems share, are kept beside the indexes for those that are built of single
files later (`read_stock`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.atomic import atomic_path
from factory.decontamination.embedding import Encoder, codes
from factory.decontamination.features import (
    NOT_TELLING,
    SALT,
    VARIABLE_MARK,
    Features,
    Stream,
    features,
    short_form,
)
from factory.decontamination.figures import (
    ENGLISH,
    Numerals,
    Words,
    content_words,
    distinct_numerals,
    read_answers,
)
from factory.decontamination.index import ANCHOR, ANCHOR_TOKENS, LONGEST, Benchmark, problem_ids
from factory.decontamination.parts import OPTIONS
from factory.text.fold import fold
from factory.text.hashing import U64, Bytes, distinct
from factory.text.ngrams import SequenceHasher
from factory.text.tokens import Places, text_bytes, tokenize, tokenize_bytes

KEPT = 64
"""N-grams that an index keeps of one problem: those with the smallest hashes, a fair sample of a longer problem."""
FEW_GRAMS = 24
"""Problems of fewer n-grams are also looked for as whole sequences inside longer texts."""
STEM_TOKENS = 12
"""A multiple-choice stem of at least so many tokens is looked for without its options."""

KINDS = ("words", "numbers")
LEAST_STOCK = 8
"""Document frequency from which an n-gram is kept."""
Stock = dict[str, tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]]

LEAST_TELLING = 3
"""Different symbols, other than signs, variables and small words, that a sequence must have to be looked for: "a, b, c,
d" stands in many a text."""

INSTRUCTION = r"(?i)\s*please reason step by step, and put your final answer within \\boxed\{\}\.?\s*$"
"""What some copies of a benchmark add to every problem (aime26's source): the prompt of a model, no part of the problem."""
_OPTIONS = re.compile(OPTIONS, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """Features of a benchmark's problems, whole and stems only, before n-grams are thinned."""

    name: str
    facts: dict[str, Any]
    ids: list[str]
    whole: Features
    stems: Features
    has_options: npt.NDArray[np.bool_]
    answers: npt.NDArray[np.uint32]
    content: Words
    numerals: Numerals
    vectors: Bytes


def read_document(
    name: str, rows: pl.DataFrame, facts: dict[str, Any], encoder: Encoder | None = None
) -> Document:
    """Hash the problems of one benchmark, and encode the English ones unless its facts say `"vectors": false`."""
    texts = rows["problem"].cast(pl.String).fill_null("").str.replace(INSTRUCTION, "")
    cuts = [_stem(text) for text in texts]
    options = np.array([len(cut) < len(text) for cut, text in zip(cuts, texts, strict=True)], dtype=bool)
    if "choices" in rows.columns:
        options |= rows["choices"].is_not_null().to_numpy()
    answers = rows["answer"].cast(pl.String, strict=False) if "answer" in rows.columns else None
    whole = _all_features(texts)
    tokens = tokenize_bytes(*text_bytes(fold(texts)))
    content, vectors = content_words(tokens), np.zeros(0, np.uint8)
    if encoder is not None and facts.get("vectors", True):
        english = texts.filter(pl.Series(content.language == ENGLISH)).to_list()
        vectors = codes(encoder.encode(english)).ravel()
        facts = facts | {"embedding": encoder.facts}
    return Document(
        name,
        facts,
        problem_ids(rows),
        whole,
        _all_features(pl.Series(cuts)),
        options,
        read_answers(answers, rows.height).keys,
        content,
        distinct_numerals(tokens),
        vectors,
    )


def build(documents: Sequence[Document], stock: Stock) -> list[Benchmark]:
    """Indexes of benchmarks. Document frequencies are counted over all of them; `stock` knows some from elsewhere."""
    frequency = {}
    for kind in KINDS:
        grams, counts = frequencies(documents, kind)
        known, known_counts = stock.get(kind, (grams[:0], counts[:0]))
        if known.size:
            place = np.minimum(np.searchsorted(known, grams), known.size - 1)
            counts = np.maximum(counts, np.where(known[place] == grams, known_counts[place], 0))
        frequency[kind] = (grams, counts)
    anchors = _anchor_frequencies(documents)
    return [_benchmark(d, frequency, anchors) for d in documents]


def _benchmark(
    d: Document,
    frequency: dict[str, tuple[npt.NDArray[np.uint32], Places]],
    anchors: tuple[U64, Places],
) -> Benchmark:
    words, words_offsets, words_counts, words_df = _thin(d.whole.words, *frequency["words"])
    numbers, numbers_offsets, _, numbers_df = _thin(d.whole.numbers, *frequency["numbers"])
    return Benchmark(
        name=d.name,
        facts={**d.facts, "name": d.name, "rows": len(d.ids)},
        ids=d.ids,
        letters=d.whole.letters,
        letter_bytes=np.minimum(d.whole.letter_bytes, LONGEST),
        tokens=d.whole.symbols.lengths,
        symbols=d.whole.symbols_hash,
        template=d.whole.template_hash,
        bag=np.where(d.has_options, d.whole.bag, np.uint64(0)),
        anchors=_anchors(d, words_counts, anchors),
        words=words,
        words_offsets=words_offsets,
        words_counts=words_counts,
        words_df=words_df,
        numbers=numbers,
        numbers_offsets=numbers_offsets,
        numbers_df=numbers_df,
        figures=_short(d.whole.figures),
        ordered=_short(d.whole.ordered),
        answers=d.answers,
        language=d.content.language,
        content=d.content.words,
        content_offsets=d.content.offsets,
        spots=d.content.spots,
        spots_offsets=d.content.spot_offsets,
        extent=d.content.extent,
        numerals=d.numerals.hashes,
        numerals_offsets=d.numerals.offsets,
        vectors=d.vectors,
    )


def _short(hashes: U64) -> npt.NDArray[np.uint32]:
    """`short_form`, but 0 for none."""
    return np.where(hashes == 0, np.uint32(0), short_form(hashes))


def _thin(
    stream: Stream, known: npt.NDArray[np.uint32], counts: Places
) -> tuple[npt.NDArray[np.uint32], Places, Places, npt.NDArray[np.uint8]]:
    """The n-grams of every problem, at most `KEPT`, with how many there were and their frequencies."""
    rows, grams = _distinct(stream)
    df = counts[np.searchsorted(known, grams)]
    size = stream.offsets.size - 1
    total = np.bincount(rows, minlength=size)
    place = np.arange(rows.size) - np.repeat(np.cumsum(total) - total, total)
    keep = place < KEPT
    offsets = np.concatenate([[0], np.cumsum(np.minimum(total, KEPT))])
    return grams[keep], offsets, total, np.minimum(df[keep], 255).astype(np.uint8)


def _distinct(stream: Stream) -> tuple[Places, npt.NDArray[np.uint32]]:
    """Every n-gram of every text once, ordered by text and hash."""
    rows = np.repeat(np.arange(stream.offsets.size - 1, dtype=np.uint64), stream.lengths)
    keys = distinct(rows << np.uint64(32) | short_form(stream.hashes))
    return (keys >> np.uint64(32)).astype(np.int64), keys.astype(np.uint32)


def frequencies(documents: Sequence[Document], kind: str) -> tuple[npt.NDArray[np.uint32], Places]:
    """All n-grams and in how many different problems they occur; the same problem in two benchmarks counts once."""
    letters = np.concatenate([d.whole.letters for d in documents])
    fresh = np.zeros(letters.size, dtype=bool)
    fresh[np.unique(letters, return_index=True)[1]] = True
    sets = [_distinct(getattr(d.whole, kind)) for d in documents]
    shift = np.cumsum([0] + [len(d.ids) for d in documents])
    problems = np.concatenate([rows + at for (rows, _), at in zip(sets, shift, strict=False)])
    known, inverse = np.unique(np.concatenate([grams for _, grams in sets]), return_inverse=True)
    return known, np.maximum(np.bincount(inverse, fresh[problems]).astype(np.int64), 1)


def _anchor_frequencies(documents: Sequence[Document]) -> tuple[U64, Places]:
    """How often every run of `ANCHOR_TOKENS` tokens occurs in the problems."""
    runs = [_runs(d.whole.symbols, np.arange(len(d.ids)))[0] for d in documents]
    known, counts = np.unique(np.concatenate(runs), return_counts=True)
    return known, counts.astype(np.int64)


def _runs(stream: Stream, texts: Places) -> tuple[U64, Places, Places]:
    """Hashes of all runs of `ANCHOR_TOKENS` tokens of some texts, their texts (by position in `texts`) and starts."""
    counts = np.maximum(stream.lengths[texts] - ANCHOR_TOKENS + 1, 0)
    owner = np.repeat(np.arange(texts.size), counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = stream.offsets[texts][owner] + within
    return SequenceHasher(stream.hashes, SALT)(starts, ANCHOR_TOKENS), owner, within


def _anchors(d: Document, words_counts: Places, frequency: tuple[U64, Places]) -> npt.NDArray[np.void]:
    few = np.flatnonzero(words_counts < FEW_GRAMS)
    stems = np.flatnonzero(d.has_options & (d.stems.symbols.lengths >= STEM_TOKENS))
    return np.concatenate(
        [_sequences(d.whole.symbols, few, frequency), _sequences(d.stems.symbols, stems, frequency)]
    )


def _sequences(stream: Stream, problems: Places, frequency: tuple[U64, Places]) -> npt.NDArray[np.void]:
    """Each problem's tokens as one sequence, to be found by its rarest run."""
    lengths = stream.lengths[problems]
    fit = (lengths >= ANCHOR_TOKENS) & (lengths < 2**16)
    problems = problems[fit & (_telling(stream)[problems] >= LEAST_TELLING)]
    hashes, owner, within = _runs(stream, problems)
    known, counts = frequency
    place = np.minimum(np.searchsorted(known, hashes), known.size - 1)
    often = np.where(known[place] == hashes, counts[place], 1)
    order = np.lexsort((within, often, owner))
    rarest = order[np.unique(owner[order], return_index=True)[1]]
    found = np.zeros(problems.size, dtype=ANCHOR)
    found["anchor"], found["shift"] = hashes[rarest], within[rarest]
    lengths = stream.lengths[problems]
    found["whole"] = SequenceHasher(stream.hashes, SALT)(stream.offsets[problems], lengths)
    found["length"], found["problem"] = lengths, problems
    return found


def _telling(stream: Stream) -> Places:
    """How many different symbols of every text are neither signs nor variables nor small words."""
    rows = np.repeat(np.arange(stream.offsets.size - 1), stream.lengths)
    keep = stream.hashes != VARIABLE_MARK
    keep[NOT_TELLING.positions(stream.hashes)] = False
    pairs = np.unique(np.stack([rows[keep].astype(np.uint64), stream.hashes[keep]], axis=1), axis=0)
    return np.bincount(pairs[:, 0].astype(np.int64), minlength=stream.offsets.size - 1)


def _stem(text: str) -> str:
    """The text up to its options, or the whole text when it has none."""
    match = _OPTIONS.search(text)
    return text[: match.start()] if match and match.start() > 0 else text


def _all_features(texts: pl.Series) -> Features:
    """Features of all texts together."""
    parts = [features(tokens) for tokens in tokenize(texts)]
    if len(parts) == 1:
        return parts[0]
    merged: dict[str, Any] = {}
    for field in fields(Features):
        values = [getattr(part, field.name) for part in parts]
        merged[field.name] = _join(values) if isinstance(values[0], Stream) else np.concatenate(values)
    return Features(**merged)


def _join(streams: Sequence[Stream]) -> Stream:
    lengths: U64 = np.concatenate([s.lengths for s in streams])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Stream(
        np.concatenate([s.hashes for s in streams]), offsets, np.concatenate([s.at for s in streams])
    )


def read_stock() -> Stock:
    """`words` and `numbers`: n-gram hashes (sorted) and their document frequencies; empty when none is shipped."""
    path = Path(str(resources.files("factory.decontamination"))) / "indexes" / "stock.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {kind: (stored[kind], stored[f"{kind}_df"].astype(np.int64)) for kind in KINDS}


def write_stock(documents: Sequence[Document], folder: Path) -> None:
    """Write `stock.npz` with the frequent n-grams of these benchmarks."""
    arrays = {}
    for kind in KINDS:
        grams, counts = frequencies(documents, kind)
        frequent = counts >= LEAST_STOCK
        arrays[kind] = grams[frequent]
        arrays[f"{kind}_df"] = np.minimum(counts[frequent], 65_535).astype(np.uint16)
    with atomic_path(folder / "stock.npz") as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]
