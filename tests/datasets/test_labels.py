"""Domain and level of plain examples, and the agreement with labelled sets."""

import json
from pathlib import Path

import polars as pl
import pytest

from factory.datasets.classifier import from_table, shipped, words_of
from factory.datasets.labels import Domain, domain_of, label_problems, level_of, source_subject
from factory.datasets.other_subject import is_other_subject
from factory.sources.procedural import draw_problems
from schemas import Level

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("problem", "domain", "level"),
    [
        (
            "Tom has 3 boxes with 12 pencils each. He gives away 7 pencils. How many pencils are left?",
            Domain.ARITHMETIC,
            Level.ELEMENTARY,
        ),
        (r"Evaluate $\int_0^1 x e^{x}\,dx$.", Domain.CALCULUS, Level.COLLEGE),
        (
            r"In triangle $ABC$, $AB = 13$, $BC = 14$, $CA = 15$. Find the radius of the inscribed circle.",
            Domain.GEOMETRY,
            Level.HIGH_SCHOOL,
        ),
        (
            r"What is the remainder when $7^{100}$ is divided by $13$?",
            Domain.NUMBER_THEORY,
            Level.HIGH_SCHOOL,
        ),
        (r"Let $M$ be a compact Riemannian manifold. Compute its fundamental group.", None, Level.GRADUATE),
        (r"Two fair dice are rolled. What is the probability that the sum is $7$?", Domain.PROBABILITY, None),
        (r"Find all real roots of the polynomial $x^3 - 6x^2 + 11x - 6$.", Domain.ALGEBRA, Level.HIGH_SCHOOL),
        (
            r"Find the eigenvalues of $\begin{pmatrix} 2 & 1 \\ 1 & 2 \end{pmatrix}$.",
            Domain.LINEAR_ALGEBRA,
            Level.COLLEGE,
        ),
    ],
)
def test_plain_examples(problem, domain, level):
    if domain is not None:
        assert domain_of(problem) is domain
    if level is not None:
        assert level_of(problem) is level


def test_every_text_gets_a_label():
    for text in ("", "???", "\ud800", "x" * 100_000, "１２３ مرحبا"):
        assert domain_of(text) in Domain
        assert level_of(text) in Level


def test_weights_are_whole():
    for task, closed in (("domain", Domain), ("level", Level)):
        classifier = shipped(task)
        assert set(classifier.classes) <= {member.value for member in closed}
        assert classifier.weights.shape == (len(classifier.vocabulary), len(classifier.classes))
        assert abs(float(__import__("numpy").exp(classifier.scores("a test")).sum()) - 1) < 1e-5


def test_scores_are_the_linear_model():
    table = {"classes": ["a", "b"], "scale": 0.5, "bias": [0.0, 1.0], "weights": {"prime": [4, -2]}}
    plain, prime = (from_table(table).scores(text) for text in ("nothing", "a PRIME prime"))
    assert plain[1] - plain[0] == pytest.approx(1.0)
    assert prime[1] - prime[0] == pytest.approx(1.0 - 1.0 - 2.0)


def test_words():
    assert {"\\frac", "<2 digits>", "is", "$", "<latex>"} <= words_of(r"$\frac{12}{5}$ is")
    assert {"方", "程", "方程", "<plain>"} <= words_of("方程")


def rows(name):
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def test_domain_agrees_with_held_out_subjects():
    subjects = {
        "Geometry": Domain.GEOMETRY,
        "Number Theory": Domain.NUMBER_THEORY,
        "Intermediate Algebra": Domain.ALGEBRA,
    }
    known = [row for row in rows("benchmarks/math_test") if row["subject"] in subjects][:600]
    right = sum(domain_of(row["problem"]) is subjects[row["subject"]] for row in known)
    assert right / len(known) > 0.8


def test_level_agrees_with_held_out_sets():
    school = rows("benchmarks/gsm8k_test")[:300]
    assert sum(level_of(row["problem"]) is Level.ELEMENTARY for row in school) / len(school) > 0.9
    hard = rows("benchmarks/aime24")
    assert sum(level_of(row["problem"]) is Level.HIGH_SCHOOL for row in hard) / len(hard) > 0.85


@pytest.mark.parametrize(
    "problem",
    [
        "Calculate the molarity of a solution of 5 g NaCl in 250 mL of water.",
        "What is the oxidation state of chromium in K2Cr2O7?\n(A) 3 (B) 4 (C) 6 (D) 7",
        "Which of the following is considered a metalloid? (A) Cr (B) Mn (C) Si (D) S",
        "A photon has a wavelength of 500 nm. What is its energy in eV?",
        "In which phase of mitosis do the chromosomes line up?",
        "What does a compiler do that an interpreter does not?",
    ],
)
def test_science_is_no_arithmetic(problem):
    assert domain_of(problem) is Domain.OTHER


PENCILS = "Tom has 3 boxes with 12 pencils each. He gives away 7 pencils. How many pencils are left?"


def problem_row(problem, **known):
    return {"problem_id": "p", "problem": problem, "domain": None, "level": None, **known}


@pytest.mark.parametrize(
    ("row", "domain", "level"),
    [
        (problem_row(PENCILS, subject="college_chemistry"), "college_chemistry", None),
        (problem_row(PENCILS, subject="Number Theory"), "number_theory", "elementary"),
        (problem_row(PENCILS, subject="Mathematics"), "arithmetic", "elementary"),
        (problem_row(PENCILS, subject="x" * 200), "arithmetic", "elementary"),
        (problem_row(PENCILS, subject="Number Theory", domain="logic"), "logic", "elementary"),
        (problem_row("Which ion has more electrons than protons?"), "other", None),
        (problem_row("Which ion has more electrons than protons?", level="college"), "other", "college"),
        (problem_row("Write add(a, b).", answer_kind="code"), "other", None),
    ],
)
def test_the_sources_own_subject_and_other(row, domain, level):
    found = label_problems(pl.DataFrame([row], infer_schema_length=None)).row(0, named=True)
    assert (found["domain"], found["level"]) == (domain, level)
    assert found["label_source"] == "rules", "the level is nobody's but the rules'"


@pytest.mark.parametrize(
    "metadata", [None, "", "not json", "[1]", '{"subject": null}', '{"subject": {"a": 1}}']
)
def test_metadata_without_a_subject_labels_as_before(metadata):
    rows = pl.DataFrame(
        [problem_row(PENCILS, metadata=metadata)],
        schema_overrides={name: pl.String for name in ("metadata", "domain", "level")},
    )
    assert label_problems(rows.with_columns(source_subject()))["domain"][0] in {"arithmetic", "a_1"}


def test_mathematics_is_seldom_called_other_and_science_mostly():
    science = [
        row
        for row in rows("benchmarks/mmlu_stem")
        if "chemistry" in row["subject"] or "biology" in row["subject"]
    ]
    maths = rows("benchmarks/gsm8k_test") + rows("benchmarks/math_test")
    share = lambda found: sum(domain_of(row["problem"]) is Domain.OTHER for row in found) / len(found)  # noqa: E731
    assert share(science) > 0.9
    assert share(maths) < 0.01


@pytest.mark.parametrize("domain", ["chemistry", "physics", "biology", "astronomy"])
def test_short_questions_of_science_are_another_subject_without_the_sources_word(domain):
    texts = [row["problem"] for row in draw_problems(f"procedural:{domain}?count=120&seed=3&repeats=0")]
    others = sum(domain_of(text) == Domain.OTHER for text in texts)
    assert others / len(texts) >= (1 if domain == "chemistry" else 0.75)
    assert not any(is_other_subject(row["problem"]) for row in draw_problems("procedural:counting?count=50"))
