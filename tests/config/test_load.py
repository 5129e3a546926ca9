"""A recipe is read strictly: what is not known is refused by name."""

import pytest
import yaml

from factory.config import Recipe, load_recipe, save_recipe
from factory.errors import UsageError

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
