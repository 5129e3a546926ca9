"""Domain and level of plain examples, and the agreement with labelled sets."""

import json
from pathlib import Path

import pytest

from factory.datasets.classifier import from_table, shipped, words_of
from factory.datasets.domain import Domain
from factory.datasets.label_decision import domain_of, level_of
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
