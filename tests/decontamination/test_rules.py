"""Numbers of the rules, by hand."""

import pytest

from factory.decontamination.rules import alike, reach


@pytest.mark.parametrize(
    ("shared", "every", "kept", "different", "similarity"),
    [
        (5, 5, 5, 5, 1.0),  # the same text
        (4, 8, 4, 8, 1.0),  # an index of every second n-gram: 4 shared stand for 8
        (2, 8, 4, 8, 4 / 12),
        (0, 8, 4, 8, 0.0),
        (3, 10, 5, 20, 6 / 24),
    ],
)
def test_similarity_counts_what_the_index_has_not_kept(shared, every, kept, different, similarity):
    assert alike(shared, every, kept, different) == pytest.approx(similarity)


def test_a_problem_must_be_covered_within_twice_its_length_and_a_sentence():
    assert (reach(0), reach(50)) == (30, 130)
