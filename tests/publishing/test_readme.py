"""Our card in a README that others write, too: nothing of theirs is lost, and merging again changes nothing."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.errors import FactoryError, UsageError
from factory.publishing.card import notes_of, render_card
from factory.publishing.readme import merge_readme, unmarked


@lru_cache
def card_of(run: Path) -> str:
    return render_card(run, repo="me/farm", extra=("rollouts",))


@pytest.fixture
def card(finished_run: Path) -> str:
    return card_of(finished_run)


def header(readme: str) -> dict:
    return yaml.safe_load(readme.split("---\n")[1])


def test_a_repository_without_one_gets_the_card_in_marks(card: str) -> None:
    merged = merge_readme(card, None)
    assert unmarked(merged.text).split() == card.split()
    assert header(merged.text) == header(card)
    assert merge_readme(card, merged.text) == merged


def test_a_readme_written_by_hand_is_kept_line_by_line(card: str) -> None:
    theirs = "---\n# ours\nlanguage: no   # Norwegian\nlicense: cc-by-4.0\ntags:\n- mine\n- math\npretty_name: Mine\n---\n# My set\n\nBy *hand*.\n"
    merged = merge_readme(card, theirs)
    assert "# ours\nlanguage: no   # Norwegian\nlicense: cc-by-4.0\n" in merged.text
    assert "# My set\n\nBy *hand*.\n" in merged.text
    assert merged.text.index("By *hand*.") < merged.text.index("<!-- factory card ")
    found = header(merged.text)
    assert found["tags"] == ["mine", "math", "reasoning", "chain-of-thought", "synthetic", "cot-factory"]
    assert (found["pretty_name"], found["license"]) == ("Mine", "cc-by-4.0")
    assert found["configs"] == header(card)["configs"]
    assert merged.said == (
        "the README that is there was kept; the card follows it",
        "the README states licence cc-by-4.0, the rows mit: kept as it is there",
    )
    assert merge_readme(card, merged.text).text == merged.text


def test_their_configurations_stay_and_their_default_wins(card: str) -> None:
    theirs = "---\nconfigs:\n- {config_name: mine, default: true, data_files: x.csv}\n- {config_name: sft, data_files: old}\n---\n"
    configs = header(merge_readme(card, theirs).text)["configs"]
    assert [each["config_name"] for each in configs][-1] == "mine"
    assert [each["config_name"] for each in configs if each.get("default")] == ["mine"]
    assert (
        next(each for each in configs if each["config_name"] == "sft")["data_files"][0]["path"]
        == "sft/train-*.parquet"
    )


def test_a_new_card_takes_the_place_of_the_old_one_and_of_nothing_else(card: str) -> None:
    first = merge_readme(card, "# Mine\n").text + "\nA line below.\n"
    newer = card.replace("1,200", "1,300").replace("license: mit", "license: other")
    second = merge_readme(newer, first)
    assert second.text.startswith("---\n")
    assert "\n# Mine\n" in second.text and second.text.endswith("\nA line below.\n")
    assert second.text.count("<!-- factory card ") == 1
    assert "1,300" in second.text and "1,200" not in second.text
    assert header(second.text)["license"] == "other"
    assert second.said == ()


def test_notes_of_both_sides_are_kept(card: str) -> None:
    def with_notes(text: str, notes: str) -> str:
        return re.sub(
            r"(<!-- notes:[^\n]*-->\n).*?(\n<!-- end of notes -->)",
            lambda m: m[1] + notes + m[2],
            text,
            flags=re.S,
        )

    there = with_notes(merge_readme(card, None).text, "Written on the Hub.")
    assert notes_of(merge_readme(card, there).text) == "Written on the Hub."
    assert notes_of(merge_readme(with_notes(card, "Local."), there).text) == "Local.\n\nWritten on the Hub."
    assert (
        notes_of(merge_readme(with_notes(card, "Written on the Hub. More."), there).text)
        == "Written on the Hub. More."
    )


def test_a_card_of_an_earlier_version_becomes_the_marked_part(card: str) -> None:
    earlier = card.replace("| 30 |", "| 29 |")
    merged = merge_readme(card, earlier)
    assert merged == merge_readme(card, None)


def test_an_edit_of_our_part_stops(card: str) -> None:
    there = merge_readme(card, None).text.replace("## How to load it", "## How I load it")
    with pytest.raises(UsageError, match="somebody edited the card in the repository - move what they wrote"):
        merge_readme(card, there)
    freed = re.sub(r"<!-- (factory card [^\n]*|end of factory card) -->\n", "", there).replace(
        "<!-- notes:", "<!--"
    )
    assert "## How I load it" in merge_readme(card, freed).text


def test_a_card_that_speaks_of_the_marks_stays_in_one_part(card: str) -> None:
    tricky = card.replace("## How to load it", "<!-- end of factory card -->\n## How to load it")
    first = merge_readme(tricky, "# Mine\n").text
    assert merge_readme(tricky, first).text == first
    assert "## How to load it" not in merge_readme(card.replace("## How to load it", "## Load"), first).text


def test_line_ends_of_an_editor_are_no_edit(card: str) -> None:
    there = merge_readme(card, "# Mine\n").text.replace("\n", "\r\n")
    assert "# Mine" in merge_readme(card, there).text
    assert merge_readme(card, there).text.count("<!-- factory card ") == 1


@pytest.mark.parametrize(
    "theirs, what",
    [
        ("---\nlicense: [mit\n---\n", "header is not valid YAML"),
        ("---\n- mit\n---\n", "header is not a mapping"),
        ("---\n{license: mit, tags: [a]}\n---\n", "more than one key per line"),
        ("---\na: &a [x, x]\nb: [*a, *a]\n---\n", "has YAML aliases"),
        ("---\nconfigs: default\n---\n", "configs in the header is not a list"),
        ("---\nconfigs: [default]\n---\n", "configs in the header is not a list"),
        ("---\nx: " + "[" * 5000 + "\n---\n", "nested deeply"),
        ("---\nx: !!python/object/apply:os.system [ls]\n---\n", "header is not valid YAML"),
        ("---\nwhen: 2026-99-99\n---\n", "header is not valid YAML"),
    ],
)
def test_headers_that_cannot_be_merged_stop(card: str, theirs: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        merge_readme(card, theirs)


@pytest.mark.parametrize(
    "theirs",
    ["", "\n", "---\n---\n", "\ufeff---\r\nlicense: mit\r\n---\r\nHi", "--- no header", "---\nlicense:\n---"],
)
def test_odd_but_honest_readmes_are_merged(card: str, theirs: str) -> None:
    merged = merge_readme(card, theirs)
    assert header(merged.text)["license"] == "mit"
    assert merge_readme(card, merged.text).text == merged.text


PIECES = st.sampled_from(
    ["# Title\n", "text\n", "---\n", "\n", "<!-- notes: x -->\n", "<!-- end of notes -->\n", "```\n", "license: gpl\n", "é\r\n",
     "<!-- factory card zz mit: x -->\n", "<!-- end of factory card -->\n", "  - indented: yes\n", "| a | b |\n"]
)  # fmt: skip
KEYS = st.dictionaries(
    st.sampled_from(
        [
            "license",
            "tags",
            "language",
            "configs",
            "pretty_name",
            "own",
            "size_categories",
            "task_categories",
            "1",
        ]
    ),
    st.sampled_from(
        ["no", "mit", "[a, math]", "\n- x\n- y", "", "{a: 1}", "'q: z'", "|\n  two\n  lines", "true # why"]
    ),
    max_size=5,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=KEYS, pieces=st.lists(PIECES, max_size=8), has_header=st.booleans())
def test_nothing_of_theirs_is_lost(
    finished_run: Path, keys: dict[str, str], pieces: list[str], has_header: bool
) -> None:
    card = card_of(finished_run)
    lines = [f"{key}: {value}\n" for key, value in keys.items()]
    theirs = (f"---\n{''.join(lines)}---\n" if has_header else "") + "".join(pieces)
    try:
        merged = merge_readme(card, theirs)
    except FactoryError:
        return
    assert merge_readme(card, merged.text).text == merged.text
    body = theirs.split("---\n", 2)[2] if theirs.startswith("---\n") and theirs.count("---\n") > 1 else theirs
    assert body.rstrip() in merged.text
    if has_header:
        mine, given, found = header(card), yaml.safe_load("".join(lines)) or {}, header(merged.text)
        for key, value in given.items():
            if key not in mine:
                assert found[key] == value
            elif (
                isinstance(mine[key], list)
                and isinstance(value, list)
                and key not in ("configs", "size_categories")
            ):
                assert set(value) <= set(found[key])
        assert found["configs"][: len(mine["configs"])] == mine["configs"]
