"""The tokenizer and the n-gram hashes: plain Python against array code, and array code against kernels.

The hashes stand in benchmark indexes that are shipped: they must never change.
"""

import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.text import compiled, kernels, ngrams, tokens
from factory.text.fold import TABLE, fold
from factory.text.hashing import BASE, hash_words, mix
from factory.text.tokens import ALIASES, FORMATTING, Kind, flat, tokenize, tokenize_bytes

OPERATORS, DIGITS = "+-*/=<>^|!()", "0123456789"

GOLDEN = [
    16247656843683205145, 5260698700879760797, 2038608524547893592, 13477024926058894539, 5976018425049877272,
    14827082724786545819, 8077269412460403909,
]  # fmt: skip
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


def kind_of(byte):
    """The type of a token that begins with this byte; 0 for layout."""
    if chr(byte) in OPERATORS:
        return Kind.OPERATOR
    if chr(byte).isascii():
        return Kind.NUMBER if chr(byte).isdigit() else Kind.WORD if chr(byte).isalpha() else 0
    if byte in (0xE2, 0xEF):
        return 0
    words = 0xC3 <= byte < 0xE0 or byte == 0xE1 or 0xEA <= byte < 0xEE
    return Kind.WORD if words else Kind.CHARACTER if 0xE0 <= byte < 0xF8 else 0


def in_plain_python(text):
    """Tokens of one folded text: type, lower-case bytes and what they count as (names of commands change)."""
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))", "", text)
    kinds = [kind_of(character.encode()[0]) for character in text]
    for at in range(1, len(text) - 1):
        if text[at] == "." and text[at - 1] in DIGITS and text[at + 1] in DIGITS:
            kinds[at] = Kind.NUMBER
    at = 0
    while at < len(text):
        start, kind = at, kinds[at]
        at += 1
        while kind in (Kind.WORD, Kind.NUMBER) and at < len(text) and kinds[at] == kind:
            at += 1
        spelled = re.sub("[A-Z]", lambda capital: capital.group().lower(), text[start:at])
        behind = start > 0 and text[start - 1] == "\\"
        if kind == 0 or (behind and kind == Kind.OPERATOR and spelled != "|"):
            continue
        meaning = spelled
        if behind and kind == Kind.WORD:
            kind, meaning = Kind.COMMAND, ALIASES.get(spelled, spelled)
            if spelled in FORMATTING.split():
                continue
        yield kind, spelled.encode(), meaning


def check_fold(texts):
    """Folding by kernels against folding by polars."""
    series = pl.Series(texts, dtype=pl.String)
    expected = tokens.text_bytes(fold(series))
    with compiled.forced(True):
        folded, places = flat(series)
    assert folded[: places[-1]].tobytes() == expected[0].tobytes()
    assert np.array_equal(places, expected[1])
    return folded, places


def check(texts):
    """Array code against plain Python, and the kernel against array code."""
    series = pl.Series(texts, dtype=pl.String)
    folded, places = check_fold(texts)
    found = tokenize_bytes(folded, places)
    for row, text in enumerate(fold(series)):
        own = slice(*found.offsets[row : row + 2])
        spans = zip(found.starts[own].tolist(), found.lengths[own].tolist(), strict=True)
        spelled = [bytes(found.data[start : start + length]) for start, length in spans]
        expected = list(in_plain_python(text))
        assert list(zip(found.kinds[own].tolist(), spelled, strict=True)) == [(k, s) for k, s, _ in expected]
        assert found.hashes[own].tolist() == [int(hash_words([m])[0]) for _, _, m in expected]
    check_kernel(folded, places, found)
    return found


@compiled.kernel
def find_in(text, words, first, last, language, hashes, kinds, starts, ends):
    classes, names, meanings = language
    return kernels.find_tokens(
        text, words, first, last, classes, names, meanings, hashes, kinds, starts, ends
    )


def check_kernel(folded, places, expected):
    """Behind every text the next one begins; numbers still have their thousands commas in the folded bytes."""
    language = (tokens.CLASSES, tokens.NAMES[0], tokens.NAMES[1])
    hashes, starts, ends = (np.empty(folded.size, np.uint64) for _ in range(3))
    kinds, none = np.empty(folded.size, np.uint8), hashes[:0]
    for row in range(places.size - 1):
        begin, end = expected.offsets[row : row + 2]
        first, last = places[row : row + 2].astype(np.uint64)
        for where in (ends, none):
            count = find_in(
                folded, kernels.byte_view(folded), first, last, language, hashes, kinds, starts, where
            )
            assert np.array_equal(hashes[:count], expected.hashes[begin:end])
            assert np.array_equal(kinds[:count], expected.kinds[begin:end])
        find_in(folded, kernels.byte_view(folded), first, last, language, hashes, kinds, starts, ends)
        for i in range(end - begin):
            token = bytes(folded[int(starts[i]) : int(ends[i])])
            start = expected.starts[begin + i]
            assert token.replace(b",", b"") == bytes(
                expected.raw[start : start + expected.lengths[begin + i]]
            )


@compiled.kernel
def all_runs(values, offsets, n, salt, hashes, places):
    count = np.uint64(0)
    for row in range(offsets.size - 1):
        first, last = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        count = kernels.run_hashes(values, first, last, n, salt, hashes, count)
        places[row + 1] = count


def in_one_sum(values, n, salt):
    """Hashes of the runs of one text: v0 * B + v1 * B**2 + ..., mixed."""
    width = min(n, len(values))
    sums = [
        sum(v * BASE ** (i + 1) for i, v in enumerate(values[at : at + width]))
        for at in range(len(values) - width + 1 if values else 0)
    ]
    return mix(np.array([s % 2**64 for s in sums], dtype=np.uint64) ^ np.uint64(salt)).tolist()


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.integers(1, 6), st.sampled_from([0, 12345, 2**64 - 1]))
def test_kernels_arrays_and_plain_python_agree(texts, n, salt):
    found = check(texts)
    hashes, places, at = ngrams.ngram_hashes(found.hashes, found.offsets, n, np.uint64(salt))
    if not salt:
        with compiled.forced(True):
            one, other = ngrams.word_ngram_hashes(pl.Series(texts, dtype=pl.String), n)
        assert np.array_equal(one, hashes)
        assert np.array_equal(other, places)
    for row in range(len(texts)):
        own = found.hashes[slice(*found.offsets[row : row + 2])].tolist()
        begin, end = places[row : row + 2]
        assert hashes[begin:end].tolist() == in_one_sum(own, n, salt)
        assert at[begin:end].tolist() == list(range(found.offsets[row], found.offsets[row] + end - begin))
    compiled_hashes, compiled_places = np.empty(found.hashes.size, np.uint64), np.zeros_like(places)
    all_runs(found.hashes, found.offsets, np.uint64(n), np.uint64(salt), compiled_hashes, compiled_places)
    assert np.array_equal(compiled_places, places)
    assert np.array_equal(compiled_hashes[: places[-1]], hashes)


def test_hashes_stand_in_shipped_indexes_and_never_change():
    (found,) = tokenize(pl.Series(["Find \\dfrac{1}{2} of 1,234.5 geese"]))
    assert found.hashes.tolist() == GOLDEN


@pytest.mark.parametrize(
    "around", [("a", "b"), ("{", "}"), ("\\", "\\"), ("1", "234"), ("가", "\u11a8"), ("e", "\u0301")]
)
def test_every_character_is_folded_as_polars_folds_it(around):
    characters = [chr(code) for code in range(0x20000) if unicodedata.category(chr(code)) != "Cs"]
    check_fold([around[0] + character + around[1] for character in characters])


def test_every_pair_of_telling_characters_is_folded_as_polars_folds_it():
    characters = [*TABLE, *"aé{},\\＼｛｝，﹐\u0301\u1161가각ｶﾞ½①"]
    pairs = [one + other + "}" for one in characters for other in characters]
    check_fold(pairs)
    check(pairs[:: len(pairs) // 2000])


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
