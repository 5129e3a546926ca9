"""A browser opens every kind of page over what every verb wrote, narrow and wide: no error, its text is there, all of it fits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import crawl
import test_viewer_verbs as verbs

sys.path.pop(0)

KINDS = {"/": 1, "/table": 20, "/columns": 1, "/row": 10, "/record": 6, "/review": 1, "/random": 1}
LONG = "one_very_long_word_without_a_space_" * 12
WIDE = {
    "response_id": "r-" + "9" * 60,
    "problem_id": "p-" + "9" * 60,
    "problem": f"| a | b | {LONG} |\n|---|---|---|\n| 1 | 2 | 3 |\n\n$$x = {'+'.join(f'y_{{{i}}}' for i in range(90))}$$",
    "answer": "\\frac{" + "1234567890" * 12 + "}{7}",
    "reasoning": f"```\n{LONG * 3}\n```\n\n- {LONG}\n\n> {LONG}\n\n\\begin{{align*}}{'a+' * 90}b&=c\\end{{align*}}\n"
    * 4,
    "content": f"# {LONG}\n\n**{LONG}** `{LONG}` $\\boxed{{{'1+' * 80}1}}$",
    "verdict": "incorrect",
    "verdict_reason": LONG,
    "extracted": LONG,
    "source": LONG,
    "method": "literal",
}
ROWS = {**verbs.VERBS, "hostile widths": WIDE}


@pytest.fixture(scope="module")
def address(serve, tmp_path_factory):
    """One folder with what every verb wrote, each with ids of its own."""
    root = tmp_path_factory.mktemp("verbs")
    for number, (verb, row) in enumerate(ROWS.items()):
        own = {name: numbered(value, number) if name.endswith("id") else value for name, value in row.items()}
        verbs.write(root / verb.replace(" ", "_"), own, count=2)
    return serve(root)


def numbered(value, number):
    return value.replace("1111", f"{number:04}") if isinstance(value, str) else value


@pytest.mark.long
def test_every_page_opens_and_fits(browser, address):
    opened = []
    for path, url, status in crawl.walk(browser, address, kinds=KINDS):
        opened.append(path)
        assert status == 200, url
        browser.run(crawl.OPEN_ALL)
        for width in (390, 1440):
            browser.media(width=width)
            browser.settle(0.05)
            assert browser.run(crawl.WIDER) == [], (url, width)
        assert browser.errors == [], url
        assert browser.refused == [], url
    assert {kind: opened.count(kind) for kind in KINDS} == KINDS


@pytest.mark.parametrize("verb", ["verify", "pairs", "dedup a file"])
def test_the_texts_of_a_row_can_be_read_in_the_browser(browser, serve, tmp_path, verb):
    """As drawn: formulas aside, the first 200 characters of each text stand on the page of the row."""
    row, out = verbs.VERBS[verb], verbs.write(tmp_path / "out", verbs.VERBS[verb], count=1)
    for path, url, _ in crawl.walk(browser, serve(out), kinds={"/": 1, "/table": 1, "/row": 1, "/record": 1}):
        if path not in ("/row", "/record"):
            continue
        browser.run(
            "for (const { pieces } of factoryText.shown.values()) pieces.forEach(factoryText.drawPiece)"
        )
        shown = "".join(browser.run("document.body.textContent").split())
        for text in verbs.texts(row):
            first = text[:200].partition("$")[0]
            assert "".join(first.split()) in shown, url
