"""The card: every number from a query, queries that other engines answer alike, and a check that notices."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from factory.atomic import read_json, write_json
from factory.errors import FactoryError, UsageError
from factory.numbers import number
from factory.publishing.card import cell, check_card, fence_for, notes_of, render_card, table
from factory.publishing.run_sql import answer, run_tables
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.steps import export
from schemas import COMPLETION

duckdb = pytest.importorskip("duckdb")


def header(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_numbers_are_those_of_the_data(finished_run: Path) -> None:
    card = render_card(finished_run)
    sft = pl.read_parquet(RunLayout(finished_run).dataset("sft") / "*.parquet")
    expected = f"| {sft.height} | {sft['problem_id'].n_unique()} | {sft['completion_tokens'].sum():,} |"
    assert f"| `sft` | fine-tuning on a compact subset (stage 2) {expected}" in card
    assert "| problems/unique | rows | 33 | 31 | 2 |" in card
    assert r"| problems/unique | near\_duplicate | 2 |" in card
    assert "| responses/teacher | usd | 0.25 |" in card
    assert "| gsm8k | MIT | 15 |" in card


def test_every_query_on_the_card_gives_the_same_in_duckdb(finished_run: Path) -> None:
    tables = run_tables(finished_run)
    card = render_card(finished_run)
    connection = duckdb.connect()
    for name, lazy in tables.items():
        connection.register(name, lazy.collect().to_arrow())
    answers = answer(tables)
    assert len(answers) >= 20
    for found in answers.values():
        assert f"`{found.fact.sql}`" in card
        elsewhere = connection.sql(found.fact.sql).pl()
        assert elsewhere.columns == found.rows.columns
        for column in elsewhere.columns:
            mine, theirs = found.rows[column].to_list(), elsewhere[column].to_list()
            mine, theirs = ([float(x) if hasattr(x, "is_normal") else x for x in y] for y in (mine, theirs))
            assert mine == (pytest.approx(theirs) if found.rows[column].dtype.is_float() else theirs), (
                found.fact
            )


def test_header_names_every_set_and_its_files(finished_run: Path) -> None:
    about = header(render_card(finished_run, extra=("rollouts", "dropped")))
    assert about["license"] == "mit"
    assert about["size_categories"] == ["n<1K"]
    names = [config["config_name"] for config in about["configs"]]
    assert names == ["midtrain", "sft", "preference", "rl", "rollouts", "dropped"]
    assert [config["config_name"] for config in about["configs"] if config.get("default")] == ["sft"]
    assert about["configs"][1]["data_files"] == [{"split": "train", "path": "sft/train-*.parquet"}]


def test_the_recipe_on_the_card_runs(finished_run: Path, tmp_path: Path) -> None:
    from factory.config.load import load_recipe

    embedded = re.search(r"```yaml\n(.*?)\n```", render_card(finished_run), re.DOTALL)[1]
    (tmp_path / "recipe.yaml").write_text(embedded)
    assert load_recipe(tmp_path / "recipe.yaml") == load_recipe(RunLayout(finished_run).recipe)


def test_the_same_run_gives_the_same_card(finished_run: Path) -> None:
    assert render_card(finished_run) == render_card(finished_run)


def test_check_agrees_with_a_fresh_card_and_keeps_notes(run: Path) -> None:
    card = run / "README.md"
    card.write_text(render_card(run, repo="me/farm", notes="Read this first.\n\nTwo paragraphs."))
    check_card(run, card)
    text = card.read_text().replace("Two paragraphs.", "Three, changed by hand.")
    card.write_text(text)
    check_card(run, card)
    assert notes_of(text) == "Read this first.\n\nThree, changed by hand."


def test_check_fails_when_the_data_change(run: Path, make) -> None:
    card = run / "README.md"
    card.write_text(render_card(run))
    rows = make.step_folder(run / "elsewhere", make.completions(7), COMPLETION)
    export.run(rows, RunLayout(run).dataset("sft"), COMPLETION)
    with pytest.raises(
        FactoryError, match=r"README.md:\d+ disagrees with the data: it says '\| `sft` .*\| 10 \|"
    ):
        check_card(run, card)


@pytest.mark.parametrize(
    "old, new", [("| 30 | 30 | 1,200 |", "| 31 | 30 | 1,200 |"), ("license: mit", "license: other")]
)
def test_check_fails_when_the_card_is_changed(run: Path, old: str, new: str) -> None:
    card = run / "README.md"
    text = render_card(run)
    assert old in text
    card.write_text(text.replace(old, new, 1))
    with pytest.raises(FactoryError, match="disagrees with the data"):
        check_card(run, card)


def test_check_fails_when_a_manifest_changes(run: Path) -> None:
    card = run / "README.md"
    card.write_text(render_card(run))
    path = RunLayout(run).responses / MANIFEST
    manifest = read_json(path)
    manifest["totals"]["usd"] = 9.5
    write_json(path, manifest)
    with pytest.raises(FactoryError, match=r"it says '. responses/teacher . usd . 0.25 .'.*9.5"):
        check_card(run, card)


def test_absent_card_recipe_and_sets_are_usage_errors(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not exist - make it: factory card"):
        check_card(run, run / "README.md")
    with pytest.raises(UsageError, match=r"holds no recipe\.yaml"):
        render_card(tmp_path)
    next(RunLayout(run).dataset("sft").glob("*.parquet")).unlink()
    with pytest.raises(FactoryError, match=r"sft/train-00000-of-00001\.parquet is missing"):
        render_card(run)
    for path in run.glob("datasets/*/*"):
        path.unlink()
    with pytest.raises(UsageError, match="no finished training set"):
        render_card(run)


def test_the_funnel_follows_the_flow(finished_run: Path) -> None:
    rows = answer(run_tables(finished_run))["funnel"].rows["folder"].to_list()
    assert rows.index("problems/read") < rows.index("problems/unique") < rows.index("problems/clean")
    assert rows.index("problems/clean") < rows.index("responses/teacher") < rows.index("datasets/sft")


def test_nested_totals_become_rows(run: Path) -> None:
    answers = answer(run_tables(run))
    assert answers["benchmarks"].rows.rows() == [("gsm8k_test", 1319, "3101c7d", "MIT")]
    assert answers["decontamination"].rows.rows() == [
        ("problems/clean", "certificate.rows", 31.0, None),
        ("problems/clean", "certificate.rows_found.gsm8k_test.exact", 1.0, None),
    ]


HOSTILE = "a|b\n\n# Owned <script>alert(1)</script> [x](http://evil) `code` ![i](http://evil/i.png)"


def test_hostile_labels_stay_text(make, tmp_path: Path, run: Path) -> None:
    rows = make.completions(3)
    rows[0]["domain"] = HOSTILE
    rows[1]["source"] = HOSTILE
    export.run(
        make.step_folder(run / "elsewhere", rows, COMPLETION), RunLayout(run).dataset("sft"), COMPLETION
    )
    card = render_card(run)
    assert "<script>" not in card
    assert "\n# Owned" not in card
    assert "](http://evil" not in card.replace("\\](", "")
    line = next(line for line in card.splitlines() if "Owned" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_hostile_recipe_cannot_leave_its_fence(run: Path) -> None:
    path = RunLayout(run).recipe
    recipe = yaml.safe_load(path.read_text())
    recipe["generate"]["prompt"] = "```\n# Owned\n{problem}"
    path.write_text(yaml.safe_dump(recipe))
    assert "````yaml" in render_card(run)


def test_prompts_of_messages_and_functions_of_the_makers_are_said(run: Path) -> None:
    path = RunLayout(run).recipe
    recipe = yaml.safe_load(path.read_text())
    recipe["generate"]["prompt"] = [{"system": "Be | brief."}, {"user": "{problem}\n<b>"}]
    recipe["verify"]["checker"] = "/home/me/mine.py:is_right"
    recipe["datasets"]["filter"] = "mine.py:keep"
    path.write_text(yaml.safe_dump(recipe))
    card = render_card(run)
    line = next(line for line in card.splitlines() if line.startswith("| prompt |"))
    assert "system: Be" in line and "<b>" not in line and len(re.findall(r"(?<!\\)\|", line)) == 3
    assert "A function of the makers, is_right, decides whether an answer is right" in card.replace(
        "\\_", "_"
    )
    assert "A function of the makers, keep, leaves responses out" in card
    recipe["generate"]["prompt"] = "mine.py:ask"
    path.write_text(yaml.safe_dump(recipe))
    assert "| prompt | written by a function of the makers, ask |" in render_card(run)


def test_fence_is_longer_than_any_run_of_backticks() -> None:
    assert (fence_for("no ticks"), fence_for("``` and ````")) == ("```", "`````")


@pytest.mark.parametrize(
    "value, shown",
    [
        (None, "-"),
        (1234567, "1,234,567"),
        (0.25, "0.25"),
        (2.0, "2"),
        (1 / 3, "0.3333"),
        (12345.678, "12,345.7"),
        (float("nan"), "-"),
        (True, "yes"),
    ],
)
def test_numbers_for_people(value: object, shown: str) -> None:
    assert number(value) == shown


def test_cells_are_one_short_line() -> None:
    assert cell("a\nb  c") == "a b c"
    assert len(cell("x" * 5_000)) == 300


def test_table_shows_value_and_text_as_one_column() -> None:
    frame = pl.DataFrame({"name": ["a", "b"], "value": [1.5, None], "text": [None, "yes"]})
    assert table(frame).splitlines() == ["| name | value |", "|---|---:|", "| a | 1.5 |", "| b | yes |"]


def test_totals_of_long_lists_are_counted_not_spread(run: Path) -> None:
    path = RunLayout(run).verdicts / MANIFEST
    manifest = read_json(path)
    manifest["totals"]["curve"] = list(range(1000))
    write_json(path, manifest)
    names = run_tables(run)["totals"].collect()["name"].to_list()
    assert "curve.length" in names
    assert not any(name.startswith("curve.1") for name in names)


def test_evaluation_summaries_are_shown(run: Path) -> None:
    figures = {"held_out": {"pass_at_1": 0.71, "low": 0.6, "high": 0.8, "questions": 30}}
    path = RunLayout(run).evaluation("sft") / "summary.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"benchmarks": figures}))
    assert r"pass\_at\_1" not in render_card(run), "this recipe trains nothing: it is left from a former one"
    recipe = RunLayout(run).recipe
    recipe.write_text(recipe.read_text().replace("train: null\n", ""))
    assert r"| held\_out | sft | pass\_at\_1 | 0.71 |" in render_card(run)


def test_an_unfinished_step_is_left_out_and_named(run: Path) -> None:
    (RunLayout(run).difficulty / MANIFEST).unlink()
    (RunLayout(run).dataset("rl") / MANIFEST).unlink()
    card = render_card(run)
    assert "Pass rate of the student" not in card
    assert "| `rl` |" not in card
    assert "config_name: rl\n" not in card
    assert "had not finished when this card was made; left out: difficulty, rl." in card


def test_a_corrupt_part_is_named_and_no_card_is_made(run: Path) -> None:
    part = RunLayout(run).verdicts / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-200])
    with pytest.raises(FactoryError, match=r"verdicts/teacher/part-00000\.parquet is corrupt"):
        render_card(run)
