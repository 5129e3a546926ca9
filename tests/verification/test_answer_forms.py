"""Equal and unequal forms that the generator writes: nothing false is called correct, and hardly anything is missed."""

from collections import Counter

import pytest

from factory.config.verify import VerifySection
from factory.verification import CheckRequest, Verifier
from tests.verification.answer_forms import KINDS, pairs


@pytest.fixture(scope="module")
def outcomes():
    found = [pair for seed in (1, 2) for pair in pairs(seed, 3)]
    with Verifier(VerifySection(workers=2)) as verifier:
        results = verifier.check_many([CheckRequest(pair.response, pair.gold) for pair in found])
    return list(zip(found, results, strict=True))


def test_the_generator_writes_thousands_of_pairs_of_both_labels(outcomes):
    assert len(outcomes) > 5_000 and {pair.kind for pair, _ in outcomes} >= set(KINDS)
    assert 0.3 < sum(pair.equal for pair, _ in outcomes) / len(outcomes) < 0.8
    assert list(pairs(1, 1)) == list(pairs(1, 1)) != list(pairs(2, 1))


def test_no_unequal_form_is_correct(outcomes):
    wrong = [(pair.gold, pair.response) for pair, result in outcomes if result.correct and not pair.equal]
    assert wrong == []


def test_at_least_98_of_100_equal_forms_are_found_in_every_kind(outcomes):
    found: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for pair, result in outcomes:
        if pair.equal:
            (found if result.correct else missed)[pair.kind] += 1
    assert {kind: n for kind, n in missed.items() if n > 0.02 * (n + found[kind])} == {}
