"""One shape for every endpoint, and the flat keys of earlier recipes."""

import pickle

import pytest
from pydantic import ValidationError

from factory.config.datasets import DatasetsSection
from factory.config.decontamination import EmbeddingSection
from factory.config.endpoint import Budget, Endpoint, Judge
from factory.config.generate import GenerateSection
from factory.config.recipe import Recipe
from factory.config.verify import VerifySection
from factory.run.keys import deciding


def test_flat_keys_of_earlier_recipes_are_read():
    old = {"judge": "openai", "judge_model": "m", "judge_base_url": "http://h/v1", "judge_max_usd": 2}
    judge = Judge(preset="openai", model="m", base_url="http://h/v1", max_usd=2)
    assert VerifySection.model_validate(old).judge == judge
    assert EmbeddingSection.model_validate({"model": "folder", **old}).judge == judge
    assert VerifySection.model_validate({"judge": "openai"}).judge == Judge(preset="openai")
    empty = {"judge": None, "judge_model": None, "judge_base_url": None, "judge_max_usd": None}
    assert VerifySection.model_validate(empty) == VerifySection()
    nested = {"judge": {"preset": "openai", "model": "m"}, "judge_max_usd": 2}
    assert VerifySection.model_validate(nested).judge == Judge(preset="openai", model="m", max_usd=2)


@pytest.mark.parametrize(
    "section",
    [
        {"judge_model": "m"},
        {"judge": {"preset": "a", "model": "m"}, "judge_model": "n"},
        {"judge": 3, "judge_model": "n"},
        {"judge": {"preset": "a"}, "judge_max_usd": 0},
        {"judge": {"preset": "a", "concurrency": 0}},
        {"judge": {"preset": "a", "price": [-1, 2]}},
        {"judge": {"preset": "a", "nosuch": 2}},
    ],
)
def test_what_cannot_be_meant_is_refused(section):
    with pytest.raises(ValidationError):
        VerifySection.model_validate(section)


def test_a_section_that_was_dumped_loads():
    section = VerifySection(judge=Judge(preset="openai", max_usd=1))
    assert VerifySection.model_validate(section.model_dump(mode="json")) == section


def test_the_teacher_is_an_endpoint():
    section = GenerateSection(teacher="vllm", model="m", base_url="http://h/v1", rpm=3, serve="other")
    assert section.endpoint == Endpoint(preset="vllm", model="other", base_url="http://h/v1")
    assert section.endpoint.identity() == {"preset": "vllm", "model": "other"}


def test_a_label_judge_keeps_its_own_budget_of_tokens():
    judge = DatasetsSection.model_validate({"judge": {"preset": "openai"}}).judge
    assert judge.max_tokens == 2_048
    assert "base_url" not in judge.identity()


PLAIN = {"name": "a", "problems": {"sources": ["b"]}}


def test_budgets_of_earlier_recipes_are_summed_up_in_the_one_of_the_run():
    old = {
        "generate": {"max_usd": 20, "max_tokens_total": 1_000},
        "verify": {"judge": "openai", "judge_max_usd": 2},
        "datasets": {"judge": {"preset": "openai", "max_usd": 1}},
        "decontamination": {"embedding": {"model": "m", "judge": {"preset": "openai", "max_usd": 0.5}}},
        "difficulty": {"max_usd": 4},
    }
    recipe = Recipe.model_validate(PLAIN | old)
    assert (recipe.budget.max_usd, recipe.budget.max_tokens_total) == (27.5, 1_000)
    assert recipe.generate.max_usd is recipe.verify.judge.max_usd is recipe.datasets.judge.max_usd is None
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    assert old["generate"]["max_usd"] == 20, "what was read is left as it is"


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": {"max_usd": 3}, "generate": {"max_usd": 2}},
        {"generate": {"max_usd": -2}},
        {"generate": {"max_usd": True}},
        {"generate": {"max_usd": [2]}},
        {"budget": 3, "generate": {"max_usd": 2}},
        {"budget": {"max_usd": 0}},
        {"budget": {"account": "x"}},
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        Recipe.model_validate(PLAIN | wrong)


def test_an_account_is_set_by_a_run_only_and_decides_nothing():
    section = GenerateSection(max_usd=9).within(Budget(max_usd=2), "run-account-7")
    assert (section.max_usd, section.max_tokens_total, section.account) == (2, None, "run-account-7")
    assert pickle.loads(pickle.dumps(section)).account == "run-account-7"
    assert section.model_copy(update={"base_url": "http://h"}).account == "run-account-7"
    assert "run-account-7" not in section.model_dump_json()
    assert deciding(section) == deciding(GenerateSection())
