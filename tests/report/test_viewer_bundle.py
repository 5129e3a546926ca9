"""The static copy: opened from a folder it shows what the viewer shows, runs nothing of the rows, and links only to itself."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from factory.cli.main import main
from factory.errors import UsageError
from factory.report.step_folders import open_run
from factory.report.viewer import copy_search
from factory.report.viewer.bundle import write_bundle
from factory.run.review import add_review


@pytest.fixture(scope="module")
def copy(make_run, tmp_path_factory, hostile):
    run = make_run(tmp_path_factory.mktemp("run") / "run", count=12)
    add_review(run, "p-0000000000000000", "note", hostile, "Ann")
    (run / "report.html").write_text("<p>The report.</p>" * 9_000)
    out = tmp_path_factory.mktemp("copy") / "copy"
    pages, size = write_bundle(open_run(run), out, rows=20)
    assert size == sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert pages == len(list(out.rglob("*.html")))
    return out


def test_every_link_leads_to_a_file_of_the_copy(copy):
    linked = set()
    for page in copy.rglob("*.html"):
        text = page.read_text("utf-8")
        if page.name.startswith("report-"):
            assert text == "<p>The report.</p>" * 9_000
            continue
        assert 'http-equiv="Content-Security-Policy"' in text
        assert "<form class=" not in text
        for link in re.findall(r'\b(?:href|src|data-href)="([^"]*)"', text):
            target = urlsplit(unescape(link))
            assert not target.scheme, link
            file = (page.parent / unquote(target.path)).resolve()
            assert file.is_file(), (page.name, link)
            assert file.is_relative_to(copy)
            linked.add(file)
            if target.fragment:
                assert f'id="{unquote(target.fragment)}"' in file.read_text("utf-8")
    assert set(copy.rglob("*.html")) <= linked | {copy / "index.html"}


def test_a_problem_is_there_once_with_its_responses(copy):
    pages = [path.read_text("utf-8") for path in (copy / "pages").glob("row-*.html")]
    problems = [
        found for page in pages for found in re.findall(r'class="problem target" data-id="([^"]*)"', page)
    ]
    assert len(set(problems)) == 12
    assert len(problems) == 13, "and once more with the history of the response that was dropped"
    assert any('class="response target' in page for page in pages)


def test_the_copy_works_from_a_folder_and_runs_nothing(browser, copy):
    kinds = [
        sorted((copy / "pages").glob(f"{kind}-*.html"))[:6] for kind in ("table", "row", "record", "review")
    ]
    for page in [copy / "index.html", *(page for pages in kinds for page in pages)]:
        browser.open(page.as_uri())
        browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        browser.settle(0.05)
        assert browser.dialogs == [], page
        assert browser.errors == [], page
        assert browser.run("getComputedStyle(document.querySelector('.top')).display") == "flex", (
            "the style is there"
        )
        assert all(url.startswith(copy.as_uri()) for url in browser.requests), page
    formulas = next(p for p in (copy / "pages").glob("row-*.html") if "Costs $5" in p.read_text("utf-8"))
    browser.open(formulas.as_uri())
    browser.wait(lambda: browser.run("document.querySelectorAll('.problem .katex').length") == 3)
    browser.run("document.querySelector('.home').click()")
    browser.wait(lambda: browser.run("location.pathname").endswith("index.html"))


def test_the_copy_is_searched_in_the_browser(browser, copy):
    (page,) = (copy / "pages").glob("search-*.html")
    browser.open(page.as_uri())
    said, hits = (
        "document.getElementById('copy-said').textContent",
        "document.querySelectorAll('#copy-found li').length",
    )
    browser.wait(lambda: browser.run(hits))
    rows = int(browser.run("factoryCopy.tables.reduce((n, t) => n + t.rows.length, 0)"))
    every = int(browser.run("factoryCopy.tables.reduce((n, t) => n + t.all, 0)"))
    assert 0 < rows < every
    assert f"searches {rows:,} of the run's {every:,} rows" in browser.run(said)

    def search(words):
        browser.run(
            f"(i => {{ i.value = {json.dumps(words)}; i.dispatchEvent(new Event('input')); }})(document.getElementById('search'))"
        )
        return browser.run(hits)

    assert search("zzznowhere") == 0
    assert browser.run(said).startswith("0 of ")
    assert search("BOXED{") > 0
    assert search("(.*") == 0, "what is typed is no pattern"
    assert search("<script>") > 0
    assert (browser.dialogs, browser.errors) == ([], [])
    search("")
    browser.run(
        "[...document.querySelectorAll('.facet button')].find((b) => b.textContent.startsWith('verdicts/labelled')).click()"
    )
    assert browser.run(hits) == 20
    browser.run(
        "[...document.querySelectorAll('.facet button')].find((b) => /^correct/.test(b.textContent)).click()"
    )
    assert 0 < browser.run(hits) < 20
    assert set(
        browser.run("[...document.querySelectorAll('#copy-found small')].map((n) => n.textContent.trim())")
    ) == {"verdicts/labelled"}
    browser.run("document.querySelector('#copy-found a').click()")
    browser.wait(
        lambda: (
            "/pages/row-" in browser.run("location.href")
            and browser.run("!!document.querySelector('.problem')")
        )
    )


def test_the_data_of_the_search_is_bounded_and_says_so(make_run, tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", until="problems", count=12)
    monkeypatch.setattr(copy_search, "TEXT", 30)
    write_bundle(open_run(run), tmp_path / "copy", rows=50)
    data = json.loads((tmp_path / "copy/static/copy-data.js").read_text().partition(" = ")[2].rstrip(";\n"))
    rows = [row for table in data["tables"] for row in table["rows"]]
    assert max(len(text) for _, _, text, _ in rows) == 30
    assert 0 < data["cut"] <= len(rows)
    assert all((tmp_path / "copy/pages" / href.partition("#")[0]).is_file() for href, *_ in rows if href)
    monkeypatch.setattr(copy_search, "MOST", 500)
    write_bundle(open_run(run), tmp_path / "small", rows=50)
    assert (tmp_path / "small/static/copy-data.js").stat().st_size < 500 + 200 * len(data["tables"])


@pytest.mark.parametrize(
    "attack",
    [
        "document.querySelector('main').innerHTML = '<img src=x onerror=alert(9)>'",
        "document.body.appendChild(Object.assign(document.createElement('script'), { text: 'alert(7)' }))",
        "document.body.appendChild(Object.assign(document.createElement('img'), { src: 'https://example.invalid/x.png' }))",
    ],
)
def test_the_policy_holds_without_a_server(browser, copy, attack):
    browser.open((copy / "index.html").as_uri())
    browser.send("Runtime.evaluate", expression=attack, allowUnsafeEvalBlockedByCSP=False)
    browser.settle()
    assert browser.dialogs == []
    assert all(url.startswith(copy.as_uri()) for url in browser.requests)


def test_a_folder_that_holds_something_is_left_alone(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems", count=12)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        write_bundle(open_run(run), tmp_path / "copy", rows=5)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine.txt"]


def test_the_verb_writes_a_copy(make_run, tmp_path, capsys, monkeypatch):
    run = make_run(tmp_path / "run", until="problems", count=12)
    monkeypatch.setattr("sys.argv", ["factory", "view", str(run), "--bundle", str(tmp_path / "copy")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "index.html" in capsys.readouterr().out
    assert (tmp_path / "copy" / "index.html").is_file()
    assert not list(Path(tmp_path).glob(".copy*"))
