"""The tutorial's examples do what it shows, the page of formats is that of the schemas, exit codes are those of the classes."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from factory import errors
from factory.cli.main import VERBS, build_app
from tests.docs import data_formats, journeys, layouts

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8").partition("## Check answers")[2]


def flat(text):
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def test_the_example_of_verify_in_the_tutorial_prints_what_it_shows(tmp_path, monkeypatch):
    shown = re.search(r"```\n\$ cat answers\.jsonl\n(.*?)\n\n\$ factory (.*?)\n(.*?)```", TUTORIAL, re.S)
    lines, command, output = shown.groups()
    (tmp_path / "answers.jsonl").write_text(lines + "\n")
    words = [sys.executable, "-m", "factory.cli.main", *command.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # The rule below a table's head is drawn on a terminal only.
    assert flat(done.stdout) == [line for line in flat(output) if line.strip("─")]
    snippet = re.search(r"```python\n(.*?)```", TUTORIAL, re.S)[1]
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(snippet, {})
    assert said.getvalue().splitlines() == re.findall(r"print\(.*\)\s+# (.*)", snippet)


def test_the_page_of_formats_is_that_of_the_schemas():
    assert data_formats.PAGE.read_text("utf-8") == data_formats.page(), (
        "run python -m tests.docs.data_formats"
    )


def test_every_exit_code_is_explained():
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    codes = {int(code) for code in re.findall(r"^\| (\d) \|", page, re.M)}
    classes = (errors.FactoryError, errors.UsageError, errors.Stopped)
    assert codes == {0, *(each.exit_code for each in classes)}


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = {
    "--port", "--head", "--address", "--host", "--dtype", "--served-model-name", "--max-model-len", "--enforce-eager",
    "--tensor-parallel-size", "--continuous-batching", "--config_file", "--num_machines", "--num_processes",
    "--machine_rank", "--file", "--purpose", "--nproc_per_node", "--main_process_ip", "--main_process_port",
}  # fmt: skip
"""Options of vLLM, Ray, accelerate and other trainers in the docs' commands."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_named_in_a_page_exist(page):
    named = re.findall(
        r"`((?:factory|tests|train|recipes|schemas|benchmarks|docs|data_cards)/[\w./-]+\.[a-z]+)`",
        page.read_text(),
    )
    assert [path for path in named if not (ROOT / path).exists() and "NAME" not in path] == []


@pytest.fixture(scope="module")
def known():
    """Long options of every verb, of the trainer and of the benchmarks."""
    app = build_app()
    found = {"--help", "--version"}
    for verb in app.list_commands(None):
        found |= {
            name
            for param in app.get_command(None, verb).params
            for name in (*param.opts, *param.secondary_opts)
        }
        group = app.get_command(None, verb)
        for command in getattr(group, "commands", {}).values():
            found |= {name for param in command.params for name in param.opts}
    for path in (
        *(ROOT / "train").glob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
        *(ROOT / "tests/mutants").glob("*.py"),
    ):
        found |= set(re.findall(r"--[a-z][a-z-]+", path.read_text("utf-8")))
    return found | OTHERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_and_verbs_named_in_a_page_exist(page, known):
    text = page.read_text("utf-8")
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]+", re.sub(r"<!--.*?-->", "", text)))
    assert sorted(options - known) == []
    verbs = set(re.findall(r"(?:`|\n)factory ([a-z]+)", text))
    assert sorted(verbs - set(VERBS)) == []


def test_the_page_of_layouts_names_those_that_there_are():
    text = layouts.PAGE.read_text("utf-8")
    assert layouts.HEAD in text and layouts.page(text) == text


@pytest.mark.long
def test_the_journeys_print_what_the_page_shows():
    names = []
    for page in journeys.PAGES:
        text = page.read_text("utf-8")
        names += [found[2] for found in journeys.BLOCK.finditer(text)]
        assert all(found[3].count("$ factory ") <= 5 for found in journeys.BLOCK.finditer(text))
        assert journeys.page(text) == text, "run python -m tests.docs.journeys"
    assert names == list(journeys.INPUTS)
