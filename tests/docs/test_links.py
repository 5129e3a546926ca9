"""Docs and code name only pages and files that are in the repository."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:|#)([^)#\s]+)(#[^)]*)?\)")
PAGE = re.compile(r"(?<![\w/.-])(?:docs/|(?=paper\.md))([\w-]+\.md)\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    targets = [match.group(1) for match in LINK.finditer(page.read_text("utf-8"))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_code_names_only_pages_that_exist() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "factory", "train", "schemas", "recipes"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("no git checkout")
    known = {page.name for page in PAGES}
    strange = []
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".yaml", ".j2"} and path.exists():
            named = set(PAGE.findall(path.read_text("utf-8")))
            strange += [f"{name}: {page}" for page in sorted(named - known)]
    assert strange == []
