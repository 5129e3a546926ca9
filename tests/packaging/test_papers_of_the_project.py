"""What stands at the top of the repository says what is so, and `import factory` imports nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import factory

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_has_what_the_format_asks_and_the_versions_agree():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert str(cited["version"]) == factory.__version__
    assert all("family-names" in author or "name" in author for author in cited["authors"])
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{factory.__version__}"' in project and f'license = "{cited["license"]}"' in project
    assert f"({factory.__version__})" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_to_files_and_commands_are_there(name):
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"^make ([a-z-]+)", text, re.M)) <= set(targets)


def test_import_factory_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import factory; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["factory"]
