"""What is kept of every text: an exact hash, a guard, and a key for every LSH band."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.config.deduplication import DeduplicationSection
from factory.deduplication.bands import optimal_bands
from factory.deduplication.marks import marks_hash
from factory.text import compiled
from factory.text.hashing import BASE, U64, HashSet, hash_words, mix, open_table
from factory.text.ngrams import ngram_hashes, sequence_hashes, text_hashes
from factory.text.tokens import (
    CLASSES,
    NAMES,
    Kind,
    Tokens,
    flat,
    in_threads,
    text_bytes,
    tokenize_bytes,
)

MINUS = hash_words(["-"])[0]
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half third "
    "quarter once twice thrice double triple "
    "first second fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth hundredth last next previous "
    "零 一 二 三 四 五 六 七 八 九 十 百 千 万 亿 億 两 兩 半"
)
"""Words that the numbers-differ rule reads as numbers: cardinals, ordinals, Chinese and Japanese numerals."""
OPPOSITES = (
    "not no nor none never without cannot neither max min sup inf maximum minimum maximal minimal maximize "
    "minimize greatest largest biggest highest longest smallest least lowest shortest most fewest fewer "
    "greater larger smaller increasing decreasing increase decrease increases decreases increased decreased "
    "even odd positive negative nonnegative nonpositive rational irrational prime composite area perimeter "
    "volume radius diameter circumference inscribed circumscribed inside outside parallel perpendicular acute "
    "obtuse convex concave converges diverges replacement difference product quotient union intersection "
    "distinct sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp gcd lcm det floor ceil "
    "lfloor rfloor lceil rceil le ge ne ll gg lesssim gtrsim subset subseteq supset supseteq notin forall "
    "exists nexists cup cap neg mp pm parallel perp overline vec < > + ! | "
    "mm cm km kg mg ml inch inches foot feet yard yards mile miles meter meters metre metres second seconds minute "
    "minutes hour hours day days week weeks month months year years gram grams pound pounds liter liters litre litres "
    "不 没 非 否 未 无 大 小 多 少 最 增 减 減 正 负 負 奇 偶 同 异 長 长 短 高 低 上 下 内 外 前 后 後 超"
)
ASKING = "find compute determine evaluate calculate is are of for 求"
"""A single letter behind one of these words is what is asked for: "Find w" and "Find l" are two problems."""
QUESTIONS = "how many much what which whose why 何 几 谁 哪"
"""So are these with any word behind them: below one passage, "How many lamps" and "How many ropes" are two problems."""
BEGINNING = "when where who whom"
"""These ask at the beginning of a sentence only; elsewhere they mostly begin a relative clause."""
BOUNDARIES = b".?!:;\n"
_TELLING_WORDS = sorted({*NUMBER_WORDS.split(), *OPPOSITES.split()})
_TELLING, _TELLING_TABLE = HashSet(_TELLING_WORDS), open_table(_TELLING_WORDS)[0]
_LETTERS = list("bcdefghjklmnopqrstuvwxyz")  # "a" is an article, "i" a pronoun
_ASKING, _ASKING_TABLE = HashSet(ASKING.split()), open_table(ASKING.split())[0]
_QUESTION, _QUESTION_TABLE = HashSet(QUESTIONS.split()), open_table(QUESTIONS.split())[0]
_BEGINNING, _BEGINNING_TABLE = HashSet(BEGINNING.split()), open_table(BEGINNING.split())[0]
_LETTER, _LETTER_TABLE = HashSet(_LETTERS), open_table(_LETTERS)[0]
_GUARD = np.uint64(0x6755617264)
"""Salt of the guard: without it a text of numbers alone would have the same hash as its guard."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What texts were read as, one entry a text.

    `exact`: hash of the canonical tokens. `guard`: texts with different guards are never duplicates (numbers, problem).
    `counts`: n-grams, int32. `draw`: uniform, and equal for similar texts as often as they are similar; the audit draws
    its sample by it. `keys`: shape (bands, texts), the bucket in every LSH band.
    """

    exact: U64
    guard: U64
    counts: npt.NDArray[np.int32]
    draw: npt.NDArray[np.uint32]
    keys: U64

    @property
    def text_keys(self) -> U64:
        """Equal for texts with the same tokens and guard."""
        return self.exact ^ self.guard


def sign(texts: pl.Series, settings: DeduplicationSection, within: pl.Series | None = None) -> Signed:
    """Read texts once; nothing is kept of their n-grams.

    MinHash (Broder 1997) with `a * x + b` modulo 2**32, a odd, as permutations of the n-grams' 32-bit hashes: linear
    permutations, which for hashed sets behave as min-wise independent ones (Broder et al. 1998, section 4.2), and which
    a processor computes eight or sixteen at a time.

    Args:
        texts: the texts; nulls count as empty.
        settings: n-gram length, permutations, threshold and weight that choose the bands, numbers rule.
        within: a column; texts with different values get different guards.
    """
    bands, width = optimal_bands(settings.threshold, settings.permutations, settings.false_negative_weight)
    count = len(texts)
    signed = _unsigned(count, bands)
    work = _sign_compiled if compiled.active() else _sign_arrays
    first = 0
    for part in in_threads(lambda piece, _: work(piece, settings, bands, width), texts):
        last = first + part.exact.size
        for name in ("exact", "guard", "counts", "draw"):
            getattr(signed, name)[first:last] = getattr(part, name)
        signed.keys[:, first:last] = part.keys
        first = last
    if within is not None:
        other = mix(text_hashes(*text_bytes(within.cast(pl.String).fill_null(""))))
        np.bitwise_xor(signed.guard, other, out=signed.guard)
        np.bitwise_xor(signed.keys, other, out=signed.keys)
    return signed


def _sign_compiled(texts: pl.Series, settings: DeduplicationSection, bands: int, width: int) -> Signed:
    from factory.deduplication import kernels
    from factory.text.kernels import byte_view

    data, bounds = flat(texts)
    part = _unsigned(len(texts), bands)
    telling = _TELLING_TABLE if settings.numbers_differ else _TELLING_TABLE[:0]
    kernels.sign_texts(
        data, byte_view(data), bounds, CLASSES, NAMES, telling, _ASKING_TABLE, _QUESTION_TABLE, _BEGINNING_TABLE, _LETTER_TABLE, MINUS, _GUARD, np.uint64(settings.ngram),
        *permutations(bands * width + 1), width, part.exact, part.guard, part.counts, part.draw, part.keys,
    )  # fmt: skip
    return part


def _sign_arrays(texts: pl.Series, settings: DeduplicationSection, bands: int, width: int) -> Signed:
    data, bounds = flat(texts)
    tokens = tokenize_bytes(data, bounds)
    part = _unsigned(len(texts), bands)
    part.exact[:] = np.where(
        np.diff(tokens.offsets) > 0,
        sequence_hashes(tokens.hashes, tokens.offsets),
        text_hashes(tokens.data, tokens.bounds),
    )
    if settings.numbers_differ:
        folded, edges = bytes(data), bounds.tolist()
        marks = [marks_hash(folded[a:b]) for a, b in itertools.pairwise(edges)]
        part.guard[:] = _telling_hashes(tokens) ^ np.array(marks, dtype=np.uint64)
    grams, offsets, _ = ngram_hashes(tokens.hashes, tokens.offsets, settings.ngram)
    part.counts[:] = np.diff(offsets)
    full = np.flatnonzero(part.counts)
    if not full.size:
        return part
    high, starts = (grams >> np.uint64(32)).astype(np.uint32), offsets[:-1][full]
    least = [
        np.minimum.reduceat(high * factor + term, starts).astype(np.uint64)
        for factor, term in zip(*permutations(bands * width + 1), strict=True)
    ]
    for band in range(bands):
        key = part.guard[full] ^ np.uint64(band + 1)
        for values in least[band * width : (band + 1) * width]:
            key = key * np.uint64(BASE) + values
        part.keys[band, full] = mix(key)
    part.draw[full] = (mix(least[-1]) >> np.uint64(32)).astype(np.uint32)
    return part


def _telling_hashes(tokens: Tokens) -> U64:
    """One hash of every text's numbers, telling words and what is asked for in order, with the minus signs before them."""
    chosen = tokens.kinds == Kind.NUMBER
    chosen[_TELLING.positions(tokens.hashes)] = True
    minus, asked = np.zeros((2, chosen.size), dtype=bool)
    minus[1:] = tokens.hashes[:-1] == MINUS
    letters = _LETTER.positions(tokens.hashes)
    asked[letters[letters > 0]] = True
    asking = np.zeros(chosen.size, dtype=bool)
    asking[_ASKING.positions(tokens.hashes)] = True
    asked[1:] &= asking[:-1]
    relative = _BEGINNING.positions(tokens.hashes)
    begin = tokens.starts[relative]
    before = tokens.raw[begin - 1]
    before = np.where(before == ord(" "), tokens.raw[begin - 2], before)
    opens = np.isin(before, np.frombuffer(BOUNDARIES, np.uint8)) | np.isin(relative, tokens.offsets)
    question = np.union1d(_QUESTION.positions(tokens.hashes), relative[opens])
    asked[question[question + 1 < asked.size] + 1] = True
    begins = tokens.offsets[:-1]
    begins = begins[begins < minus.size]
    minus[begins] = asked[begins] = False
    chosen |= asked
    chosen[question] = True
    values = tokens.hashes + minus.astype(np.uint64)
    counts = np.concatenate([[0], np.cumsum(chosen)])
    return sequence_hashes(values[chosen], counts[tokens.offsets], _GUARD)


def _unsigned(count: int, bands: int) -> Signed:
    """What texts without any n-gram have."""
    exact, guard = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
    counts, draw = np.zeros(count, np.int32), np.full(count, 2**32 - 1, np.uint32)
    return Signed(exact, guard, counts, draw, np.zeros((bands, count), np.uint64))


def permutations(count: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Factors (odd) and terms of the permutations: written down by a formula, the same on every machine."""
    places = np.arange(1, 2 * count + 1, dtype=np.uint64)
    drawn = (mix(places * np.uint64(BASE)) >> np.uint64(32)).astype(np.uint32)
    return drawn[:count] | np.uint32(1), drawn[count:]
