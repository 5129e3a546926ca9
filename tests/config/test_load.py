"""A recipe is read strictly: what is not known is refused by name."""

from typing import get_args

import pytest
import yaml

from factory.config.base import every_key
from factory.config.generate import Kind
from factory.config.load import MOVED, REMOVED, load_recipe, save_recipe
from factory.config.recipe import Recipe
from factory.errors import UsageError
from schemas import AnswerKind

MINIMAL = "name: demo\nproblems:\n  sources: [a.jsonl]\n"


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(MINIMAL)
    return path


def test_defaults_are_filled_and_saved(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file)
    save_recipe(recipe, tmp_path / "resolved.yaml")
    assert load_recipe(tmp_path / "resolved.yaml") == recipe
    assert yaml.safe_load((tmp_path / "resolved.yaml").read_text())["generate"]["samples"] == 8


def test_unknown_key_is_named(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(MINIMAL + "generate:\n  sampels: 4\n")
    with pytest.raises(UsageError, match=r"unknown key generate\.sampels"):
        load_recipe(path)


def test_overrides_are_typed(recipe_file):
    recipe = load_recipe(
        recipe_file, ["generate.samples=3", "train=null", "decontamination.against=[aime24, math500]"]
    )
    assert recipe.generate.samples == 3
    assert recipe.train is None
    assert recipe.decontamination.against == ["aime24", "math500"]


@pytest.mark.parametrize(
    "override", ["generate.samples", "=3", "name.x=3", "generate.samples=many", "nope=1"]
)
def test_bad_overrides_are_refused(recipe_file, override):
    with pytest.raises(UsageError):
        load_recipe(recipe_file, [override])


def test_broken_yaml_names_the_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("name: demo\nproblems: [\n")
    with pytest.raises(UsageError, match=r"r\.yaml:\d+: not valid YAML"):
        load_recipe(path)


def test_absent_recipe_lists_the_shipped_ones():
    with pytest.raises(UsageError, match="quickstart"):
        load_recipe("no-such-recipe")


def test_every_shipped_recipe_parses():
    from importlib import resources
    from pathlib import Path

    paths = sorted(Path(str(resources.files("recipes"))).glob("*.yaml"))
    assert {path.stem for path in paths} >= {"quickstart", "phi4_mini_reasoning", "smollm2_135m"}
    for path in paths:
        assert isinstance(load_recipe(path), Recipe)


def test_every_field_has_a_doc():
    def undocumented(model, at=""):
        for name, field in model.model_fields.items():
            if not field.description:
                yield f"{at}{name}"
            if hasattr(field.annotation, "model_fields"):
                yield from undocumented(field.annotation, f"{at}{name}.")

    assert list(undocumented(Recipe)) == []


QUICK = "name: demo\nproblems: {sources: [a.jsonl]}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            QUICK + "generate: {teacher: procedural}\ngenerate: {samples: 2}\n",
            ":4: .*generate stands twice, first in line 3",
        ),
        (QUICK + "generate:\n  samples: 2\n  samples: 3\n", ":5: .*samples stands twice, first in line 4"),
        (QUICK + "description: " + "[" * 5_000, "nested too deeply"),
        (QUICK + "description: " + "[" * 400 + "]" * 400, "description"),
        (QUICK + "description: a\0b\n", "not valid YAML"),
        (QUICK + "seed: 2026-02-31\n", "not valid YAML"),
        (QUICK + "seed: {1: 2}\n", "seed: input should be a valid integer"),
        (QUICK + "? [a, b]\n: 1\n", "not valid YAML|keys should be strings"),
        (QUICK + "2: 3\n", "keys should be strings"),
        ("- a\n", "a recipe is a mapping"),
        ("", "a recipe is a mapping"),
        ("name: demo\n", "problems: is missing"),
        (QUICK + "seed: !!python/object:os.system x\n", "not valid YAML"),
    ],
)
def test_a_malformed_file_is_one_line(text, line, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=line) as refused:
        load_recipe(path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "override", ["seed=[", "seed={", "seed=a: b: c", "seed=\0", "seed=" + "[" * 3_000, "seed=2026-02-31"]
)
def test_a_malformed_override_is_one_line_that_blames_the_flag(override, recipe_file):
    with pytest.raises(UsageError, match=r"^--set seed=") as refused:
        load_recipe(recipe_file, [override])
    assert len(str(refused.value).splitlines()) == 1


def test_an_override_is_blamed_itself_and_not_the_file(recipe_file):
    with pytest.raises(
        UsageError, match=r"^--set generate.sampels=1: unknown key generate.sampels - did you mean samples\?$"
    ):
        load_recipe(recipe_file, ["generate.sampels=1"])


@pytest.mark.parametrize(
    "contradiction",
    [
        "difficulty.low=0.9 difficulty.high=0.1",
        "difficulty.low=0.5 difficulty.high=0.5",
        "difficulty.min_samples=9 difficulty.max_samples=8",
        "difficulty.max_samples=2",
        "rl_prompts.low=0.6",
        "problems.limit=10 problems.held_out=10",
        "generate.max_candidates=10",
        "generate.accept=20 generate.max_candidates=10",
        "generate.concurrency=0",
        "generate.concurrency=-3",
        "generate.temperature=5",
        "generate.price=[-1,2]",
        "generate.prompt=solve",
        "datasets.prompt=solve",
        "evaluation.stages=[sftt]",
        "train.sft.micro_batch_size=3",
        "train.rl.group_size=7",
        "train.student.heads=5",
    ],
)
def test_settings_that_contradict_each_other_are_refused(contradiction, recipe_file):
    words = contradiction.split()
    with pytest.raises(UsageError) as refused:
        load_recipe(recipe_file, words)
    assert str(refused.value).startswith(f"--set {words[0].rpartition('.')[0]}.")
    assert len(str(refused.value).splitlines()) == 1


def test_a_judge_that_is_given_by_name_takes_further_keys(recipe_file):
    recipe = load_recipe(recipe_file, ["verify.judge=openai", "verify.judge.max_usd=3"])
    assert (recipe.verify.judge.preset, recipe.budget.max_usd) == ("openai", 3)


def typing_errors(word):
    """The slips of a finger: a letter left out, doubled, swapped with the next, or another case."""
    middle = len(word) // 2
    yield word[:middle] + word[middle + 1 :]
    yield word[:middle] + word[middle] + word[middle:]
    yield word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    yield word.upper()


def test_every_misspelt_key_is_refused_and_the_right_one_named(recipe_file):
    keys = list(every_key(Recipe))
    assert len(keys) > 150
    silent = []
    for key in keys:
        head, _, last = key.rpartition(".")
        for wrong in set(typing_errors(last)) - {k.rpartition(".")[2] for k in keys}:
            try:
                load_recipe(recipe_file, [f"{head}.{wrong}=1".removeprefix(".")])
                silent.append(wrong)
            except UsageError as error:
                # One line for the key, one for what its own section lacks.
                assert len(str(error).splitlines()) <= 2, error
                assert "unknown key" in str(error)
                if len(last) > 4:
                    assert "did you mean" in str(error), error
    assert silent == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{path: a.jsonl, layuot: openr1}", "unknown key problems.sources.layuot - did you mean layout?"),
        ("{pth: a.jsonl}", "unknown key problems.sources.pth - did you mean path?"),
        ("{path: a.jsonl, weight: 2}", "problems.sources.weight: input should be less than or equal to 1"),
        ("{path: a.jsonl, split: train}", "split is of sets on the Hub"),
        ("{path: 'procedural:all', layout: openr1}", "draws its problems: leave layout out"),
        ("3", "problems.sources"),
    ],
)
def test_a_slip_in_a_source_is_named(source, says, recipe_file):
    with pytest.raises(UsageError) as caught:
        load_recipe(recipe_file, [f"problems.sources=[procedural:all, {source}]"])
    assert says in str(caught.value)


def test_a_saved_recipe_reads_back_with_its_sources(recipe_file, tmp_path):
    sources = "[procedural:all, {path: 'procedural:all', weight: 0.5}, {path: 'hf://datasets/a/b', split: x}]"
    recipe = load_recipe(recipe_file, [f"problems.sources={sources}"])
    assert recipe.problems.specs == ["procedural:all", "procedural:all", "hf://datasets/a/b?split=x"]
    save_recipe(recipe, tmp_path / "saved.yaml")
    assert load_recipe(tmp_path / "saved.yaml") == recipe


def former(path, key, value):
    """Write a recipe that sets one key, with what the sections around it require."""
    *sections, name = key.split(".")
    inner = {name: value}
    for section in reversed(sections):
        needed = {"judge": {"preset": "vllm"}, "embedding": {"model": "m"}}.get(section, {})
        inner = {section: {**needed, **inner}}
    path.write_text(MINIMAL + yaml.safe_dump(inner))


@pytest.mark.parametrize("key", [*REMOVED, *MOVED])
def test_keys_of_earlier_versions_are_read_and_said_when_they_differ(key, recipe_file, capsys):
    default, instead = {**REMOVED, **MOVED}[key]
    former(recipe_file, key, default)
    plain = load_recipe(recipe_file)
    assert capsys.readouterr().err == ""
    former(recipe_file, key, 6)
    recipe = load_recipe(recipe_file)
    said = f"is read as {instead}: write it there" if key in MOVED else f"is no longer a setting: {instead}"
    assert capsys.readouterr().err == f"factory: {recipe_file}: {key} {said}\n"
    assert key not in set(every_key(Recipe))
    if key in MOVED:
        there = recipe.model_dump()
        for name in instead.split("."):
            there = there[name]
        assert there == 6
    else:
        assert recipe == plain


def test_the_recipe_has_no_more_keys_than_these():
    """A new key is worth a thought: can it be derived, or is it TRL's own (`trl:`)? Then raise this number.

    The last three: `verify.checker` for whoever has answers that no rule of ours reads, `datasets.label` for whoever balances
    over domains of their own, `datasets.filter` for whoever has rules of the house for what a student may see. Then
    `train.rl.settings`, `prompts` and `refill` for whoever pays for rollouts, the twelve of the stage `distill`, and
    `rl_prompts.remeasure` for whoever would rather pay rollouts twice than train on stale pass rates.
    """
    every = list(every_key(Recipe))
    sections = {key.rpartition(".")[0] for key in every}
    assert len([key for key in every if key not in sections]) <= 211


def test_the_kinds_that_prompts_are_for_are_the_answer_kinds():
    assert set(get_args(Kind)) == set(AnswerKind)
