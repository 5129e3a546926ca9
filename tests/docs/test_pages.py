"""README's examples do what it shows, the page of formats is that of the schemas, exit codes are those of the classes."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

from factory import errors
from tests.docs import data_formats

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def flat(text):
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def test_the_first_example_of_the_readme_prints_what_it_shows(tmp_path, monkeypatch):
    shown = re.search(r"```\n\$ cat answers\.jsonl\n(.*?)\n\n\$ factory (.*?)\n(.*?)```", README, re.S)
    lines, command, output = shown.groups()
    (tmp_path / "answers.jsonl").write_text(lines + "\n")
    words = [sys.executable, "-m", "factory.cli.main", *command.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert flat(done.stdout) == flat(output)
    snippet = re.search(r"```python\n(.*?)```", README, re.S)[1]
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
