"""The tokenizer and the n-gram hashes in whole numpy arrays, as first written: what the kernels are compared with."""

import numpy as np
import pyarrow as pa

from factory.text.fold import fold
from factory.text.hashing import BASE, HashSet, byte_words, hash_words, range_hashes
from factory.text.tokens import ALIASES, FORMATTING, OPERATORS, Kind, Tokens

BACKSLASH = ord("\\")
LAST_RUN = Kind.NUMBER
_CONTINUATION = 5
_STEP = np.uint64(BASE)


def _classes():
    """The class of each byte: a `Kind`, 0 for layout, `_CONTINUATION` for the later bytes of a character."""
    table = np.zeros(256, dtype=np.uint8)
    for low, high in (("a", "z"), ("A", "Z")):
        table[ord(low) : ord(high) + 1] = Kind.WORD
    table[ord("0") : ord("9") + 1] = Kind.NUMBER
    table[np.frombuffer(OPERATORS, dtype=np.uint8)] = Kind.OPERATOR
    table[0x80:0xC0] = _CONTINUATION
    table[0xC3:0xE0] = Kind.WORD
    table[0xE0:0xF8] = Kind.CHARACTER
    table[0xE1] = Kind.WORD  # Vietnamese and Georgian letters, Latin extensions
    table[0xE2] = 0  # punctuation, arrows and signs that folding does not know
    table[0xEA:0xEE] = Kind.WORD  # Hangul, which is written with spaces
    table[0xEF] = 0  # full-width punctuation that NFKC leaves, byte order marks
    return table


CLASSES = _classes()
LOWER = np.arange(256, dtype=np.uint8)
LOWER[ord("A") : ord("Z") + 1] += 32
_LOWER_TABLE, _CLASS_TABLE = LOWER.tobytes(), CLASSES.tobytes()
_FORMATTING = HashSet(FORMATTING.split())
_ALIASED = HashSet(list(ALIASES))
_ORDER = np.argsort(hash_words(list(ALIASES)))
_ALIAS_HASHES = hash_words(list(ALIASES))[_ORDER]
_ALIAS_TARGETS = hash_words(list(ALIASES.values()))[_ORDER]


def flat(texts):
    """The folded bytes of some texts, one after another, and the offsets of the texts in them."""
    array = fold(texts).to_arrow().cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer else np.zeros(0, np.uint8)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]


def tokenize_bytes(raw, bounds):
    """Tokens of one buffer of folded texts; `bounds` are the offsets of the texts in it."""
    raw, bounds = _without_thousands_commas(raw, bounds, _firsts(raw, bounds))
    # `bytes.translate` is a table look-up of one byte a step; `take` would widen every byte to an index first.
    data = np.frombuffer(raw.tobytes().translate(_LOWER_TABLE), dtype=np.uint8)
    classes = np.frombuffer(bytearray(raw).translate(_CLASS_TABLE), dtype=np.uint8)
    first = _firsts(raw, bounds)
    later, after_backslash = _resolve(raw, classes, first)
    first = first[: raw.size]
    begins = classes != 0
    joins = (classes[1:] == classes[:-1]) & (classes[1:] <= LAST_RUN) & ~first[1:]
    begins[1:] &= ~joins
    begins[later] = False
    last = classes != 0
    last[:-1] &= begins[1:] | (classes[1:] == 0)
    starts, ends = np.flatnonzero(begins), np.flatnonzero(last) + 1
    lengths = ends - starts
    hashes = range_hashes(byte_words(data), starts, lengths)
    kinds = classes[starts]
    offsets = np.searchsorted(starts, bounds)
    named = np.zeros(raw.size, dtype=bool)
    named[after_backslash] = True
    commands = np.flatnonzero(named[starts])
    commands = commands[kinds[commands] == Kind.WORD]
    kinds[commands] = Kind.COMMAND
    names = hashes[commands]
    aliased = _ALIASED.positions(names)
    hashes[commands[aliased]] = _ALIAS_TARGETS[np.searchsorted(_ALIAS_HASHES, names[aliased])]
    tokens = Tokens(data, raw, classes, hashes, kinds, starts, lengths, offsets, bounds)
    layout = commands[_FORMATTING.positions(names)]
    if not layout.size:
        return tokens
    keep = np.ones(starts.size, dtype=bool)
    keep[layout] = False
    return tokens.select(keep)


def _firsts(raw, bounds):
    """Where a text begins; a few places longer than the buffer, so that what follows a byte may be asked."""
    first = np.zeros(raw.size + 5, dtype=bool)
    first[bounds] = True
    return first


def _resolve(raw, classes, first):
    """Give continuation bytes the class of their character, join decimal points to numbers, drop escaped signs.

    Returns:
        Positions of the continuation bytes, and of the bytes after a backslash.
    """
    later = np.flatnonzero(classes == _CONTINUATION)
    for _ in range(3 if later.size else 0):
        classes[later] = classes[later - 1]
    points = np.flatnonzero(raw[1:-1] == ord(".")) + 1
    points = points[~first[points] & ~first[points + 1]]
    points = points[(classes[points - 1] == Kind.NUMBER) & (classes[points + 1] == Kind.NUMBER)]
    classes[points] = Kind.NUMBER
    escaped = np.flatnonzero(raw[:-1] == BACKSLASH) + 1
    escaped = escaped[~first[escaped]]
    classes[escaped[(classes[escaped] == Kind.OPERATOR) & (raw[escaped] != ord("|"))]] = 0
    return later, escaped


def _without_thousands_commas(raw, bounds, first):
    """Turn 1,234,567 into 1234567: a comma goes when exactly three digits follow it and a digit stands before it."""
    commas = np.flatnonzero(raw[1:-3] == ord(",")) + 1
    digit = CLASSES == Kind.NUMBER
    for step in (-1, 1, 2, 3):
        commas = commas[digit[raw[commas + step]] & ~first[commas + max(step, 0)]]
    if commas.size:
        longer = digit[np.append(raw, np.uint8(0))[commas + 4]] & ~first[commas + 4]
        commas = commas[~longer]
    if not commas.size:
        return raw, bounds
    return np.delete(raw, commas), bounds - np.searchsorted(commas, bounds)


def runs(values, offsets, n):
    """Unmixed hashes of all runs, the offsets of the texts in them, and where in `values` runs begin.

    A run of v0, v1, ... hashes to v0 * B + v1 * B**2 + ...; run over all texts at once, by Horner's rule, and what
    crosses the end of a text is thrown away.
    """
    lengths = np.diff(offsets)
    hashes = values * _STEP
    for i in range(1, min(n, values.size)):
        hashes = values[:-i] + hashes[1:]
        hashes *= _STEP
    keep = np.ones(values.size, dtype=bool)
    for i in range(1, n):
        keep[offsets[1:][lengths >= i] - i] = False
    short = np.flatnonzero((lengths > 0) & (lengths < n))
    keep[offsets[:-1][short]] = True
    whole = hashes if hashes.size == values.size else np.append(hashes, values[hashes.size :])
    if short.size:
        whole[offsets[:-1][short]] = _short_runs(values, offsets[:-1][short], lengths[short])
    counts = np.where(lengths >= n, lengths - n + 1, lengths > 0)
    return whole[keep], np.concatenate([[0], np.cumsum(counts)]), keep


def _short_runs(values, starts, lengths):
    hashes = np.zeros(starts.size, dtype=np.uint64)
    for i in range(int(lengths.max()) - 1, -1, -1):
        inside = np.flatnonzero(lengths > i)
        hashes[inside] = (hashes[inside] + values[starts[inside] + i]) * _STEP
    return hashes
