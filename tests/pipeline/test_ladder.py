"""What each decision is worth: runs that share answers and budget, sets compared with the recipe's own."""

import json

import pytest

from factory.cli.main import build_app
from factory.config.ladder import LadderSection
from factory.config.load import load_recipe
from factory.pipeline import ladder as module
from factory.pipeline.ladder import AS_IT_IS, ladder, usual
from factory.pipeline.run import run_recipe
from factory.run.layout import RunLayout
from factory.run.parts import count_rows, part_paths
from tests.servers.running import servers
from tests.support.cli import run_factory

RECIPE = """
name: small
problems:
  sources: ["procedural:modular_chain?count=420&seed=3&style=terse&levels=middle&steps=2-2&modulus=7&repeats=0"]
  held_out: 40
decontamination: {against: []}
deduplication: {threshold: 1.0}
generate: {teacher: procedural, samples: 2, slip_rate: 0.3, max_tokens: 96}
datasets: {prompt: "{problem}", sft_rows: 250}
"""
SMALL = {"seeds": 3, "budget_tokens": 33_000, "limit": 40, "max_tokens": 48}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.mark.long
def test_a_student_that_cannot_read_the_rows_is_told_before_the_decisions_are_run(tmp_path, capfd):
    long = RECIPE.replace("style=terse&levels=middle&steps=2-2", "style=long&levels=middle&steps=12-14")
    path = tmp_path / "long.yaml"
    path.write_text(
        long.replace("max_tokens: 96", "max_tokens: 4000").replace("datasets: {", "datasets: {keep: all, ")
    )
    for _ in range(2):
        done = run_factory(
            "ladder", str(path), "--out", str(tmp_path / "out"), "--change", "datasets.keep=correct"
        )
        assert done.returncode == 2
        assert (
            "100% of the rows of as-it-is are longer than the 512 tokens that tiny_base"
            in capfd.readouterr().err
        )
        assert [each.name for each in (tmp_path / "out" / "runs").iterdir()] == [AS_IT_IS]


@pytest.mark.long
def test_a_decision_that_ruins_the_data_is_found_and_one_that_changes_nothing_is_named(
    recipe, tmp_path, capsys
):
    """The whole way, small. Run again, nothing is done again."""
    out = tmp_path / "out"
    changes = [
        "generate.slip_rate=1.0 datasets.keep=all",
        "datasets.min_tokens=1",
        "datasets.min_tokens=900",
    ]
    worths, found = ladder(recipe, out, LadderSection(change=changes, **SMALL))
    ruined, same, none = worths
    assert (none.rows, none.value, none.verdict) == (0, None, "no rows are left")
    assert ruined.name == "slip_rate=1.0 keep=all" and ruined.verdict == "worse" and ruined.high < 0
    assert (
        same.changes == ("datasets.min_tokens=1",) and same.verdict == "the same set" and same.value is None
    )
    assert {each.name for each in found.sets} == {AS_IT_IS, "slip_rate-1.0-keep-all"} and len(
        found.pairs
    ) == 1
    kept = json.loads((out / "ladder.json").read_text("utf-8"))["decisions"]
    assert [each["verdict"] for each in kept] == ["worse", "the same set", "no rows are left"]
    students = sorted(out.glob("comparison/students/*/student.json"))
    times = [path.stat().st_mtime_ns for path in students]
    words = ["ladder", recipe, "--out", str(out), *(w for each in changes for w in ("--change", each))]
    words += [w for key, value in SMALL.items() for w in (f"--{key.replace('_', '-')}", str(value))]
    build_app().main(args=words, standalone_mode=False)
    shown = capsys.readouterr().out
    assert "slip_rate=1.0 keep=all" in shown and "the same set" in shown
    assert [path.stat().st_mtime_ns for path in students] == times
    page = (out / "comparison" / "comparison.html").read_text("utf-8")
    assert "What each decision is worth" in page and "generate.slip_rate=1.0 datasets.keep=all" in page


def test_the_usual_decisions_are_those_that_the_recipe_took_the_other_way(recipe, tmp_path):
    loaded = load_recipe(recipe, module.ALONE)
    base = RunLayout(tmp_path / "run")
    run_recipe(loaded, base.run, until="sft-set")
    found = {each.name: each.changes for each in usual(loaded, base)}
    assert found["wrong answers kept"] == ("datasets.keep=all",)
    assert found["one response per problem"] == ("generate.samples=1",)
    assert found["half as many rows"] == ("datasets.sft_rows=125",)
    assert "only correct answers" not in found and "majority instead of gold" not in found  # two samples
    for changes in found.values():
        changed = load_recipe(recipe, [*changes, *module.ALONE])
        assert changed != loaded
    other = load_recipe(
        recipe, ["datasets.keep=all", "datasets.sft_order=random", "datasets.balance=[]", *module.ALONE]
    )
    turned = {each.name for each in usual(other, base)}
    assert {"only correct answers", "hardest rows first"} <= turned
    assert not {"wrong answers kept", "random rows", "not balanced"} & turned


def test_a_change_asks_only_for_what_is_missing_and_all_runs_share_one_budget(tmp_path):
    """40 problems cost two thirds of the cap: a change that asks for 40 more answers stops, and stops again."""
    with servers() as serve:
        server = serve(tokens=100)
        path = tmp_path / "asked.yaml"
        path.write_text(
            "name: asked\n"
            'problems: {sources: ["procedural:linear_equation?count=40&seed=3&style=terse"]}\n'
            "decontamination: {against: []}\n"
            f'generate: {{teacher: vllm, model: m, base_url: "{server.url}", samples: 1, max_tokens: 200, price: [0, 1000]}}\n'
            "datasets: {keep: all}\n"
            "budget: {max_usd: 6}\n"
        )
        words = [
            "ladder",
            path,
            "--change",
            "generate.samples=2",
            "--student",
            "tiny",
            "--out",
            tmp_path / "out",
        ]
        first = run_factory(*words)
        assert first.returncode == 3, first.stderr
        asked = server.get("stats")["asked"]
        base = RunLayout(tmp_path / "out" / "runs" / AS_IT_IS)
        problems = count_rows(part_paths(base.clean_problems))
        assert problems < asked < 2 * problems
        again = run_factory(*words)
        assert again.returncode == 3 and server.get("stats")["asked"] <= asked + 1
        assert not (tmp_path / "out" / "comparison").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--change", "datasets.kep=all"], "datasets.kep"),
        (["--change", "datasets.keep=most"], "datasets.keep"),
        (["--change", " "], "--change is empty"),
        (["--change", "datasets.keep=all", "--change", "generate.teacher=nobody"], "nobody"),
        (["--seeds", "2"], "--seeds"),
        (["--dataset", "rl"], "--dataset"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_made(words, said, recipe, tmp_path):
    done = run_factory("ladder", recipe, *words, "--out", tmp_path / "out")
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "out").exists()
