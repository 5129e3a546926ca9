import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.text import compiled
from factory.text import tokens as tokens_module
from factory.text.canonical import canonical_text
from factory.text.fold import STABLE, fold
from factory.text.ngrams import word_ngram_hashes
from factory.text.tokens import pieces, tokenize


def canonical(text):
    return canonical_text(pl.Series([text]))[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"$\dfrac{1}{2}$", r"\( \frac 1 2 \)"),
        (r"3 \times 4", "3×4"),
        (r"3 \cdot 4", "3 * 4"),
        (r"x \leq 5", "x ≤ 5"),
        (r"x \leqslant 5", r"x\le5"),
        (r"\left( a+b \right)", "(a+b)"),
        (r"\text{cm}", "cm"),
        ("x²", "x^2"),
        ("FIND the Value", "find the value"),
        ("1,234,567", "1234567"),
        ("1{,}234", "1234"),
        ("α + β", r"\alpha + \beta"),
        ("π r", r"\pi r"),
        ("１２３", "123"),
        ("价格是5。", "价格是5."),
        ("ÉCOLE", "école"),
    ],
)
def test_the_same_thing_written_differently_is_equal(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x+1", "x-1"),
        ("2^3", "2^4"),
        ("3.14", "3 14"),
        ("1,23", "123"),
        (r"\sin x", r"\cos x"),
        ("(2+3)*4", "2+(3*4)"),
        ("a<b", "a>b"),
    ],
)
def test_different_things_stay_different(one, other):
    assert canonical(one) != canonical(other)


def test_canonical_text_is_readable_and_keeps_order_and_nulls():
    texts = pl.Series("t", [r"Let $x = \dfrac{1}{2}$.", None, "", "日本 语 ok"])
    assert canonical_text(texts).to_list() == ["let x = frac 1 2", "", "", "日 本 语 ok"]
    assert canonical_text(pl.Series("t", [], dtype=pl.String)).to_list() == []


ALPHABET = st.text(
    alphabet=st.sampled_from([*"abXY zq019.,+-*/=()^$\\{}_\n", "é", "日", "本", "α", "×", "²", "。", "😀"]),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(ALPHABET, max_size=8))
def test_texts_do_not_touch_each_other(texts):
    together = canonical_text(pl.Series(texts, dtype=pl.String)).to_list()
    assert together == [canonical(text) for text in texts]


@settings(deadline=None, max_examples=150)
@given(ALPHABET)
def test_canonical_text_is_a_fixed_point_up_to_commands(text):
    once = canonical(text)
    assert canonical(once) == once


@settings(deadline=None, max_examples=150)
@given(st.lists(ALPHABET, min_size=1, max_size=6), st.integers(1, 5))
def test_ngram_hashes_agree_with_ngrams_of_the_canonical_text(texts, n):
    """The hashes fall into the same classes as the n-grams that Python makes of the canonical text."""
    hashes, offsets = word_ngram_hashes(pl.Series(texts, dtype=pl.String), n)
    grams = []
    for text in canonical_text(pl.Series(texts, dtype=pl.String)):
        words = text.split(" ") if text else []
        own = (
            [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
            if len(words) >= n
            else [tuple(words)] * bool(words)
        )
        grams.append(own)
    assert np.diff(offsets).tolist() == [len(own) for own in grams]
    flat = [gram for own in grams for gram in own]
    by_hash = dict(zip(hashes.tolist(), flat, strict=True))
    assert [by_hash[h] for h in hashes.tolist()] == flat
    assert len(set(hashes.tolist())) == len(set(flat))


def test_chunks_do_not_change_the_tokens(monkeypatch):
    texts = pl.Series([f"Problem {i}: find $x^{i}$ in ünits" for i in range(200)])
    whole = np.concatenate([t.hashes for t in tokenize(texts)])
    monkeypatch.setattr(tokens_module, "CHUNK_BYTES", 100)
    parts = list(tokenize(texts))
    assert len(parts) > 50
    assert np.array_equal(np.concatenate([t.hashes for t in parts]), whole)


@pytest.mark.parametrize(
    ("kernels", "workers", "most"),
    [(False, 2, 100), (True, 0, 100), (True, 2, 400), (True, 16, 156), (True, 1000, 100)],
)
def test_chunks_for_kernels_are_larger_but_leave_work_for_every_thread(monkeypatch, kernels, workers, most):
    monkeypatch.setattr(tokens_module, "CHUNK_BYTES", 100)
    texts = pl.Series(["ten bytes."] * 1000)
    with compiled.forced(kernels):
        sizes = [len(piece) * 10 for piece in pieces(texts, workers)]
    assert sum(sizes) == 10_000
    assert max(sizes) == most // 10 * 10
    assert len(sizes) >= 4 * workers or max(sizes) <= 100


def test_long_words_and_long_texts_have_their_own_hashes():
    words = ["a" * n for n in range(1, 40)] + ["a" * n + "b" for n in range(1, 40)]
    hashes, _ = word_ngram_hashes(pl.Series(words), 1)
    assert len(set(hashes.tolist())) == len(words)


def test_reference_tokens_of_plain_english():
    text = "In 2024, Ann's 3.5 kg of rice cost $1,250.75; was it cheap?"
    plain = unicodedata.normalize("NFKC", text).lower().replace("1,250", "1250")
    assert canonical(text).split() == re.findall(r"\d+(?:\.\d+)*|[a-z]+", plain)


def test_stable_characters_are_stable():
    """Texts of these characters alone skip NFKC: none of them may change, nor join with a neighbour."""
    for low, high in STABLE:
        for code in range(low, high + 1):
            assert unicodedata.normalize("NFKC", chr(code)) == chr(code)
            assert unicodedata.combining(chr(code)) == 0


def test_folding_leaves_the_caller_its_texts():
    texts = pl.Series("text", ["a", "b × c", "1{,}000"])
    assert fold(texts).to_list() == ["a", "b * c", "1,000"]
    assert texts.to_list() == ["a", "b × c", "1{,}000"]
