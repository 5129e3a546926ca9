"""The site builds strictly, needs no network, and its written pages are those of the code."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = ("recipe_keys", "commands", "functions", "paper_recipe")
OWN = re.compile(r"\b(?:FACTORY|HF|RAY|OMP|POLARS|NUMBA|RAYON|WANDB|TOKENIZERS|XDG)_[A-Z_]+\b")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_site_builds_strictly_and_has_every_page(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"changelog"}
    assert pages - {path.stem for path in site.glob("*.html")} == set()
    assert not list(site.rglob("*.py"))


@pytest.mark.long
def test_the_site_needs_no_network(site):
    tags = re.compile(
        r"<(?:script|img|iframe|source|link(?=[^>]*rel=.?(?:stylesheet|preload|icon)))[^>]*?(?:src|href)=.?(https?:)?//[^>]*>"
    )
    for page in site.rglob("*.html"):
        assert [found[0] for found in tags.finditer(page.read_text("utf-8"))] == [], page.name
    styles = [path.read_text("utf-8") for path in site.rglob("*.css")]
    assert styles and not any(re.search(r"url\(.?(https?:)?//|@import", text) for text in styles)


def test_every_page_stands_in_the_nav_once():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    named = re.findall(r": ([\w-]+\.md)$", nav, re.M)
    assert len(named) == len(set(named))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(named)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_page_is_that_of_the_code(name):
    module = importlib.import_module(f"tests.docs.{name}")
    assert module.PAGE.read_text("utf-8") == module.page(), f"run python -m tests.docs.{name}"


def test_every_verb_has_an_example_that_its_own_command_line_understands():
    import shlex

    from factory.cli.main import _arguments, build_app
    from tests.docs.commands import examples

    app = build_app()
    for verb, lines in examples().items():
        assert lines, f"{verb} shows no example"
        for line in lines:
            words = _arguments(shlex.split(line)[1:])
            command = app.get_command(None, words[0])
            command.make_context(words[0], words[1:], resilient_parsing=False)


def test_every_environment_variable_of_the_code_is_on_the_page():
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    read = set()
    for path in [*(ROOT / "factory").rglob("*.py"), *(ROOT / "train").rglob("*.py")]:
        text = path.read_text("utf-8")
        if "environ" in text:
            read |= set(OWN.findall("\n".join(re.findall(r'"[A-Z_]+"', text))))
    shown = set(OWN.findall(page))
    assert {"FACTORY_PROGRESS", "FACTORY_STORE", "FACTORY_DEBUG"} <= read
    assert sorted(read - shown - {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}) == []
    assert sorted(name for name in shown if name.startswith("FACTORY_") and name not in read) == []


def test_messages_that_troubleshooting_quotes_are_said_by_the_code():
    page = (
        (ROOT / "docs" / "troubleshooting.md")
        .read_text("utf-8")
        .partition("## What to do when")[2]
        .partition("\n## ")[0]
    )
    code = "\n".join(
        re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8"))
        for folder in ("factory", "train")
        for path in (ROOT / folder).rglob("*.py")
    )
    quoted = [
        part for row in re.findall(r"^\| (.*?) \|", page, re.M) for part in re.findall(r"`([^`]+)`", row)
    ]
    wanted = [
        piece.strip()
        for each in quoted
        for piece in re.split(r"\.\.\.|NNNNN|:N|[\w.]+\.(?:sqlite|jsonl)", each)
    ]
    assert len(wanted) > 8
    assert [each for each in wanted if len(each) > 3 and each not in code] == []


def test_tests_that_a_page_names_are_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for module, name in re.findall(
            r"`(?:[\w/]*/)?(test_\w+)(?:\.py)?::(test_\w+)", page.read_text("utf-8")
        ):
            sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob(f"{module}.py")]
            assert any(f"def {name}(" in source for source in sources), f"{page.name}: {module}::{name}"


def test_promises_of_the_readme_name_tests_that_there_are():
    readme = (ROOT / "README.md").read_text("utf-8")
    table = readme.partition("| promise |")[2].partition("\n\n")[0]
    named = [re.findall(r"`(tests/[^`]+)`", row) for row in table.splitlines()[2:]]
    assert len(named) >= 6 and all(named)
    assert [path for row in named for path in row if not (ROOT / path).exists()] == []
    assert len(readme.splitlines()) < 150


@pytest.mark.long
def test_the_readme_shows_what_its_recipe_and_its_python_print():
    from tests.docs import readme

    text = readme.PAGE.read_text("utf-8")
    assert [found[2] for found in readme.BLOCK.finditer(text)] == list(readme.MADE)
    assert text.partition("```yaml\n")[2].partition("```")[0].count("\n") == 5
    assert text.partition("```python\n")[2].partition("```")[0].count("\n") <= 7
    assert readme.page(text) == text, "run python -m tests.docs.readme"
