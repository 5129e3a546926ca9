"""The kernels of the text room against the tokenizer and the n-gram hashes in whole arrays (`text_in_arrays`).

The hashes stand in benchmark indexes that are shipped: they must never change.
"""

import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_in_arrays import flat, runs, tokenize_bytes

from factory.text import jit, ngrams, token_kernels, tokens
from factory.text.fold import TABLE
from factory.text.hashing import mix
from factory.text.tokens import Tokens

TELLING = st.sampled_from(
    [
        *"aBz Z019.,+-*/=()^!|$\\{}_\n\t",
        "{,}",
        "\\\\",
        "\\text",
        "\\dfrac",
        "\\|",
        "1,234",
        "{，}",
        "\\＼",
        "｛,｝",
    ]
    + [*TABLE]
    + [
        *"éßǅİſ日本한글ᄒ\u1161\u11a8กि😀𝑥①ⅣｶﾞＡ，．＼｛｝\u0301\u0308\u200d\ufe0f\ufeff\xa0\xad\u2061\u0338",
        "\U000e0001",
    ]
)
TEXTS = st.lists(
    st.one_of(st.lists(TELLING, max_size=50).map("".join), st.text(max_size=30)).map(
        lambda text: text.encode("utf-8", "ignore").decode()
    ),
    max_size=8,
)


def check(texts):
    series = pl.Series(texts, dtype=pl.String)
    buffer, bounds = flat(series)
    folded, places = tokens.flat(series)
    assert folded.tobytes() == buffer.tobytes()
    assert np.array_equal(places, bounds)
    expected, found = tokenize_bytes(buffer, bounds), tokens.tokenize_bytes(buffer, bounds)
    for name in Tokens.__dataclass_fields__:
        assert np.array_equal(getattr(expected, name), getattr(found, name)), name
        assert getattr(expected, name).dtype == getattr(found, name).dtype
    check_hashes_alone(folded, places, expected)
    return found


def check_hashes_alone(folded, places, expected):
    """What reads a text once, block by block, against the tokens; behind every text the next one begins."""
    scratch, kinds = np.empty(folded.size + 8, np.uint8), np.empty(folded.size, np.uint8)
    hashes = np.empty(folded.size, np.uint64)
    for row in range(places.size - 1):
        begin, end = expected.offsets[row : row + 2]
        first, last = places[row : row + 2].astype(np.uint64)
        count = token_kernels.hash_tokens(
            folded, first, last, tokens.CLASSES, tokens.LOWER, tokens.NAMES, scratch, hashes, kinds
        )
        assert np.array_equal(hashes[:count], expected.hashes[begin:end])
        assert np.array_equal(kinds[:count], expected.kinds[begin:end])
        check_places(folded, first, last, scratch, expected, begin, end)


@jit.kernel
def find_in(text, first, last, language, scratch, hashes, kinds, starts, ends):
    classes, lower, names, meanings = language
    return token_kernels.find_tokens(
        text, first, last, classes, lower, names, meanings, scratch, hashes, kinds, starts, ends
    )


def check_places(folded, first, last, scratch, expected, begin, end):
    """Where the tokens lie: in the folded bytes, in which numbers still have their thousands commas."""
    size = int(last - first)
    hashes, starts, ends = (np.empty(size, np.uint64) for _ in range(3))
    language = (tokens.CLASSES, tokens.LOWER, tokens.NAMES[0], tokens.NAMES[1])
    count = find_in(folded, first, last, language, scratch, hashes, np.empty(size, np.uint8), starts, ends)
    assert np.array_equal(hashes[:count], expected.hashes[begin:end])
    for i in range(count):
        token = bytes(folded[int(starts[i]) : int(ends[i])])
        start = expected.starts[begin + i]
        assert token.replace(b",", b"") == bytes(expected.raw[start : start + expected.lengths[begin + i]])


@settings(deadline=None, max_examples=600)
@given(TEXTS, st.integers(1, 6), st.sampled_from([0, 12345, 2**64 - 1]))
def test_kernels_give_what_whole_arrays_give(texts, n, salt):
    found = check(texts)
    plain, offsets, keep = runs(found.hashes, found.offsets, n)
    hashes, places, at = ngrams.ngram_hashes(found.hashes, found.offsets, n, np.uint64(salt))
    assert np.array_equal(hashes, mix(plain ^ np.uint64(salt)))
    assert np.array_equal(places, offsets)
    assert np.array_equal(at, np.flatnonzero(keep))


@pytest.mark.parametrize(
    "around", [("a", "b"), ("{", "}"), ("\\", "\\"), ("1", "234"), ("가", "\u11a8"), ("e", "\u0301")]
)
def test_every_character_is_folded_as_polars_folds_it(around):
    characters = [chr(code) for code in range(0x20000) if unicodedata.category(chr(code)) != "Cs"]
    texts = [around[0] + character + around[1] for character in characters]
    series = pl.Series(texts)
    buffer, bounds = flat(series)
    folded, places = tokens.flat(series)
    wrong = np.flatnonzero(np.diff(bounds) != np.diff(places))
    assert [hex(ord(characters[i])) for i in wrong] == []
    assert folded.tobytes() == buffer.tobytes()


def test_every_pair_of_telling_characters_is_folded_as_polars_folds_it():
    characters = [*TABLE, *"aé{},\\＼｛｝，﹐\u0301\u1161가각ｶﾞ½①"]
    check([one + other + "}" for one in characters for other in characters])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(TELLING, min_size=60, max_size=300).map("".join), min_size=1, max_size=3))
def test_long_texts(texts):
    check(texts)


@pytest.mark.parametrize(
    "piece",
    [
        "word",
        "abcdefghi" * 9,
        "aé",
        "éa",
        "日本",
        "1,234,567.5",
        "12" * 40,
        "\\dfrac",
        "\\|",
        "\\(",
        "x1",
        "1x",
    ],
)
def test_a_token_may_lie_across_any_edge_of_a_block(piece):
    texts = [
        filler * count + piece + rest
        for filler in (" ", "a ", "-")
        for count in range(140)
        for rest in ("", "a", "é", "1")
    ]
    check(texts)


def test_long_tokens_and_no_texts():
    check([])
    check(["", "a" * 1000, "é" * 33, "1" * 17 + ".5", "", "日" * 9])
