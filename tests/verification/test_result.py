import polars as pl
import pytest

from factory.config.verify import VerifySection
from factory.verification import CheckRequest, check, verify_responses
from schemas.verdict import CONFIDENT


@pytest.mark.parametrize(
    ("gold", "response", "sure"),
    [
        ("12", r"\boxed{13}", True),
        ("x+1", r"\boxed{x-1}", True),
        ("B", r"\boxed{C}", True),
        ("0.333", r"\boxed{0.331}", False),
        (r"\text{east}", r"\boxed{\text{towards the sunrise}}", False),
        ("12", "We had 13 of them in the beginning, and so on for 14 days.", False),
    ],
)
def test_a_wrong_answer_is_confident_only_where_the_margin_is_clear(gold, response, sure):
    result = check(CheckRequest(response, gold))
    assert result.verdict == "incorrect"
    assert (result.confidence >= CONFIDENT) is sure


@pytest.mark.parametrize(
    ("gold", "response", "confidence"),
    [
        ("12", r"\boxed{13}", 0.98),
        ("12", "So the answer is 13", 0.931),
        ("12", "We had 13 of them in the beginning.", 0.735),
        ("x+1", "It is x-1.", 0.675),
        ("1/3", r"\boxed{\frac{33}{100}}", 0.588),
    ],
)
def test_the_confidence_of_a_wrong_answer_is_of_its_rule_its_place_and_its_margin(gold, response, confidence):
    assert check(CheckRequest(response, gold)).confidence == confidence


def test_what_is_not_decided_has_no_confidence():
    assert check(CheckRequest(r"\boxed{3}", None)).confidence == 0.0


def test_the_table_has_a_confidence_per_row():
    rows = pl.DataFrame({"answer": ["1/2", "7"], "content": [r"\boxed{0.5}", r"\boxed{8}"]})
    found = verify_responses(rows, VerifySection(workers=1)).get_column("confidence")
    assert found.null_count() == 0 and found.is_between(0, 1).all()
