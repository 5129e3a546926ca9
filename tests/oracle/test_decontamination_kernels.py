"""The kernels that read and match texts, against the reading in whole arrays and against plain Python."""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mutations import MUTATIONS
from factory.decontamination.build import build, read_document
from factory.decontamination.features import SALT, Stream, features, short_form, word_sets
from factory.decontamination.hits import Tier
from factory.decontamination.index import ANCHOR_TOKENS, BenchmarkIndex
from factory.decontamination.matcher import Matcher
from factory.decontamination.reading_kernels import (
    CONTENT,
    LETTER_BYTES,
    SYMBOL_COUNT,
    WORD_COUNT,
    Language,
    read_text,
    room,
)
from factory.decontamination.rules import BOILERPLATE, DEFAULT
from factory.text import compiled
from factory.text.compiled import kernel
from factory.text.kernels import byte_view
from factory.text.ngrams import SequenceHasher
from factory.text.tokens import CLASSES, NAMES, Kind, flat, tokenize

PIECES = [
    "the", "farmer", "geese", "Goat", "ABC", "PQ", "find", "which", "rotation", "rotated", "élan", "Straße",
    "\\frac{1}{2}", "\\alpha", "\\left(", "\\right)", "\\sqrt", "\\times", "x", "y", "$x^2$", "|", "(", ")", "!",
    "=", "+", "-", "1,234", "3.14", "7", "12", "2024", "多少", "只", "鹅", "Сколько", "гусей", ".", ",", "\n", "[asy]",
    "supercalifragilistic", "abcdefgh", "abcdefghi", "where", "A", "answer",
]  # fmt: skip
NUMERALS = ["1", "seven", "Seven", "one", "twice", "\\half", "三", "0.50"]
TEXTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(PIECES + NUMERALS), max_size=60).map(" ".join),
        st.lists(st.sampled_from(PIECES + NUMERALS), max_size=30).map("".join),
        st.text(max_size=40),
    ),
    min_size=1,
    max_size=8,
)


@kernel
def read_one(raw, eights, first, last, language, most_letters, most_symbols, text):
    read_text(raw, eights, first, last, language, most_letters, most_symbols, text)


def readings(texts, most_letters=2**63, most_symbols=2**63):
    """What `read_text` makes of every text: symbols and where they are, words the same, hashes and sizes."""
    with compiled.forced(True):
        raw, bounds = flat(pl.Series(texts))
    text = room(int(np.diff(bounds).max()))
    language = Language(CLASSES, NAMES[0], NAMES[1], *word_sets())
    for first, last in itertools.pairwise(bounds):
        limits = np.uint64(most_letters), np.uint64(most_symbols)
        read_one(raw, byte_view(raw), np.uint64(first), np.uint64(last), language, *limits, text)
        symbols, words = slice(int(text.sizes[SYMBOL_COUNT])), slice(int(text.sizes[WORD_COUNT]))
        yield (
            text.symbols[symbols].tolist(),
            text.symbol_at[symbols].tolist(),
            text.word_at[words].tolist(),
            text.whole.tolist(),
            text.sizes[[LETTER_BYTES, CONTENT]].tolist(),
        )


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_every_text_is_read_as_whole_arrays_read_it(texts):
    (tokens,) = tokenize(pl.Series(texts))
    f = features(tokens)
    for row, (symbols, symbol_at, word_at, whole, sizes) in enumerate(readings(texts)):
        wanted = [f.letters[row], f.symbols_hash[row], f.template_hash[row], f.bag[row]]
        assert whole == [int(x) for x in (*wanted, f.figures[row], f.ordered[row])]
        assert sizes == [f.letter_bytes[row], f.content[row]]
        begin = tokens.offsets[row]
        low, high = f.symbols.offsets[row : row + 2]
        assert symbols == f.symbols.hashes[low:high].tolist()
        assert symbol_at == (f.symbols.at[low:high] - begin).tolist()
        low, high = f.words.offsets[row : row + 2]
        assert word_at[: max(len(word_at) - 2, 0)] == (f.words.at[low:high] - begin).tolist()


def test_texts_longer_than_any_problem_are_not_hashed_as_a_whole():
    texts = ["seven geese and a farmer", "seven geese"]
    (_, _, _, long, _), (_, _, _, short, _) = readings(texts, most_letters=12, most_symbols=3)
    (_, _, _, whole, _), (_, _, _, also, _) = readings(texts)
    assert long == [0, 0, 0, *whole[3:]]
    assert short == also


def grams_of(stream: Stream, row: int):
    low, high = stream.offsets[row], stream.offsets[row + 1]
    return list(zip(short_form(stream.hashes[low:high]).tolist(), stream.at[low:high].tolist(), strict=True))


def expected(texts, benchmark, coverage):
    """All hits of every tier, one comparison of a text and a problem after another: row, problem -> tier, score."""
    best = {}

    def hit(row, problem, tier, score):
        order = list(Tier).index(tier)
        if (row, problem) not in best or best[row, problem] > (order, -score):
            best[row, problem] = (order, -score)

    (tokens,) = tokenize(pl.Series(texts))
    f = features(tokens)
    weight = 1 / (1 + np.log(np.maximum(benchmark.words_df.astype(float), 1)))
    weight[benchmark.words_df >= BOILERPLATE] = 0
    number_weight = 1 / (1 + np.log(np.maximum(benchmark.numbers_df.astype(float), 1)))
    runs = SequenceHasher(f.symbols.hashes, SALT)
    reads = list(readings(texts))
    for row in range(len(texts)):
        size = int(tokens.offsets[row + 1] - tokens.offsets[row])
        if not size:
            continue
        symbols, _, word_at, _, _ = reads[row]
        ends = [int(tokens.offsets[row]) + at for at in word_at[2:]]
        grams = [(g, at, end) for (g, at), end in zip(grams_of(f.words, row), ends, strict=True)]
        numbers = grams_of(f.numbers, row)
        low = int(f.symbols.offsets[row])
        for entry in benchmark.anchors:
            length, problem = int(entry["length"]), int(entry["problem"])
            assert length >= ANCHOR_TOKENS
            if len(symbols) - length > DEFAULT.loose_tokens and length < DEFAULT.firm_tokens:
                continue
            for start in range(len(symbols) - length + 1):
                behind = tokens.kinds[f.symbols.at[low + start + length :][:1]]
                last = start + length == len(symbols)
                if length < DEFAULT.firm_tokens and not last and behind[0] == Kind.OPERATOR:
                    continue
                if runs(np.array([low + start]), length)[0] == entry["whole"]:
                    hit(row, problem, Tier.CONTAINED, 1.0)
        for problem in range(len(benchmark.ids)):
            enough = f.letter_bytes[row] >= DEFAULT.least_letters
            if (
                enough
                and benchmark.letter_bytes[problem] >= DEFAULT.least_letters
                and benchmark.letters[problem] == f.letters[row]
            ):
                hit(row, problem, Tier.EXACT, 1.0)
            if benchmark.symbols[problem] == f.symbols_hash[row]:
                hit(row, problem, Tier.RENAMED if enough else Tier.EXACT, 1.0)
            if benchmark.template[problem] == f.template_hash[row]:
                hit(row, problem, Tier.TEMPLATE, 1.0)
            if (
                f.content[row] >= DEFAULT.least_content
                and benchmark.bag[problem]
                and benchmark.bag[problem] == f.bag[row]
            ):
                hit(row, problem, Tier.SHUFFLED, 1.0)
            low_p, high_p = benchmark.words_offsets[problem], benchmark.words_offsets[problem + 1]
            theirs = dict(
                zip(benchmark.words[low_p:high_p].tolist(), weight[low_p:high_p].tolist(), strict=True)
            )
            low_n, high_n = benchmark.numbers_offsets[problem], benchmark.numbers_offsets[problem + 1]
            figures = dict(
                zip(
                    benchmark.numbers[low_n:high_n].tolist(),
                    number_weight[low_n:high_n].tolist(),
                    strict=True,
                )
            )
            found = by_coverage(
                grams, numbers, theirs, figures, int(benchmark.words_counts[problem]), size,
                int(benchmark.tokens[problem]), coverage,
            )  # fmt: skip
            if found:
                hit(row, problem, *found)
    return best


def by_coverage(grams, numbers, theirs, figures, every, size, tokens, coverage):
    """The n-gram tiers for one text and one problem."""
    shared = {g for g, _, _ in grams if g in theirs}
    if not any(theirs[g] for g in shared):
        return None
    reach, whole = 2 * tokens + 30, size <= 2 * tokens + 30
    entries = [entry for entry in grams if entry[0] in theirs]
    best = (0.0, set(), 0, 0)
    for i, (_, first, _) in enumerate(entries):
        for j in range(i, len(entries)):
            last = entries[j][2]
            if whole or last - first <= reach:
                inside = {g for g, _, _ in entries[i : j + 1]}
                weight = sum(theirs[g] + DEFAULT.crumb for g in inside)
                if weight > best[0] + 1e-9:
                    best = (weight, inside, first, last)
    _, inside, first, last = best
    weight = sum(theirs[g] for g in inside)
    telling = {g for g in inside if theirs[g]}
    if whole:
        telling, weight = {g for g in shared if theirs[g]}, sum(theirs[g] for g in shared)
    near = {g for g, at in numbers if whole or first - DEFAULT.margin <= at <= last + DEFAULT.margin}
    same = sum(w for g, w in figures.items() if g in near)
    if len(telling) >= DEFAULT.least_grams and len(inside) / len(theirs) >= DEFAULT.least_shared:
        together = (weight + same) / (sum(theirs.values()) + sum(figures.values()))
        needed = np.interp(every, [DEFAULT.short, DEFAULT.long], [DEFAULT.short_coverage, coverage])
        figure_share = same / sum(figures.values()) if figures else 1.0
        enough = len(telling) >= DEFAULT.least_for_ngram
        if enough and together >= needed - 1e-12 and figure_share >= DEFAULT.same_numbers:
            return Tier.NGRAM, together
        if weight >= DEFAULT.template_coverage * sum(theirs.values()) - 1e-12:
            return Tier.TEMPLATE, weight / sum(theirs.values())
    different = len({g for g, _, _ in grams if g in KNOWN}) + sum(g not in KNOWN for g, _, _ in grams)
    both = len(shared) * every / len(theirs)
    if whole and both / (every + different - both) >= DEFAULT.variant_similarity:
        return Tier.VARIANT, both / (every + different - both)
    return None


KNOWN: set[int] = set()
"""N-grams of the index under test; the kernels do not distinguish misses."""


def corpus(seed, count=40):
    rng = random.Random(seed)
    pool = [" ".join(rng.choice(PIECES) for _ in range(rng.randint(4, 9))) for _ in range(25)]
    problems = []
    for _ in range(count):
        parts = [rng.choice(pool) for _ in range(rng.randint(1, 5))]
        problems.append(" ".join(parts) + rng.choice(["", f" {rng.randint(1, 50)} and {rng.randint(1, 50)}"]))
    return rng, problems


def disguised(rng, problem):
    words = problem.split(" ")
    kind = rng.randrange(7)
    if kind == 0:
        return problem
    if kind == 1:
        return " ".join(w if rng.random() > 0.2 else rng.choice(PIECES) for w in words)
    if kind == 2:
        return "Please solve this. " + problem + " Thank you very much."
    if kind == 3:
        return " ".join(str(rng.randint(1, 99)) if w.isdigit() else w for w in words)
    if kind == 4:
        filler = " ".join(rng.choice(PIECES) for _ in range(150))
        return filler + " " + problem + " " + filler
    if kind == 5:
        return " ".join(rng.sample(words, len(words)))
    return problem.replace("x", "t").replace("y", "s")


def matched(problems, texts):
    """What the matcher finds of some benchmark problems in some texts, and what plain comparison does."""
    rows = pl.DataFrame({"id": [str(i) for i in range(len(problems))], "problem": problems})
    (benchmark,) = build([read_document("made", rows, {})], {})
    KNOWN.clear()
    KNOWN.update(benchmark.words.tolist())
    hits, _ = Matcher(BenchmarkIndex((benchmark,))).match(*flat(pl.Series(texts)), 0.45)
    found = {
        (int(r), int(p)): (int(t), -round(float(s), 6))
        for r, p, t, s in zip(hits.row, hits.problem, hits.tier, hits.score, strict=True)
    }
    wanted = {k: (tier, round(score, 6)) for k, (tier, score) in expected(texts, benchmark, 0.45).items()}
    return found, wanted


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("both_codes")
def test_matcher_finds_what_plain_comparison_finds(seed):
    rng, problems = corpus(seed)
    texts = [disguised(rng, rng.choice(problems)) for _ in range(60)] + ["", "???", "unlike all others"]
    found, wanted = matched(problems, texts)
    assert found == wanted
    assert {tier for tier, _ in wanted.values()} >= {0, 3, 4, 6, 7}


DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")
@pytest.mark.usefixtures("both_codes")
def test_matcher_finds_what_plain_comparison_finds_in_real_texts():
    def read(path, field):
        return [str(json.loads(line).get(field) or "") for line in (DATA / path).open(encoding="utf-8")]

    rng = random.Random(0)
    problems = read("benchmarks/aime24.jsonl", "problem")
    texts = [change(text, rng) for text in problems for change in MUTATIONS.values()]
    texts = [text for text in texts if text] + read("seeds/deepscaler_aime_1983_2023.jsonl", "problem")[::30]
    texts += [trace[:4000] for trace in read("traces/openmathreasoning_mini_r1_72.jsonl", "response")[:10]]
    found, wanted = matched(problems, texts)
    assert found == wanted
    assert len(wanted) > len(problems)
