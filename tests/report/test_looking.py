"""The report and the viewer in a real Chromium: nothing overlaps, nothing is cut, light and dark, screen and print."""

from __future__ import annotations

import pytest

from factory.report import build_report

VIEWS = [
    ("light", "screen", 1280),
    ("dark", "screen", 1280),
    ("light", "print", 800),
    ("dark", "screen", 420),
]


@pytest.fixture(scope="module")
def report_url(full_run, tmp_path_factory):
    return build_report(full_run, out=tmp_path_factory.mktemp("report") / "report.html").as_uri()


@pytest.mark.parametrize(("scheme", "kind", "width"), VIEWS)
def test_the_report_reads_well(browser, report_url, looking, scheme, kind, width):
    browser.media(scheme=scheme, kind=kind, width=width)
    browser.open(report_url)
    assert browser.run(looking.OVERLAPS) == []
    assert browser.run(looking.TOO_WIDE) == []
    assert browser.run(looking.CONTRAST) == []
    assert browser.dialogs == []
    assert browser.refused == []
    assert browser.requests == [report_url]


@pytest.mark.parametrize("until", ["problems", "verdicts", "datasets"])
def test_the_report_of_a_run_half_done_reads_well(browser, make_run, looking, tmp_path, until):
    browser.media(scheme="light")
    browser.open(build_report(make_run(tmp_path / "run", until=until, count=12)).as_uri())
    assert browser.run(looking.OVERLAPS) == []
    assert browser.run(looking.TOO_WIDE) == []


def test_the_look_can_tell_an_overlap(browser, looking, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<figure><svg aria-label="x" width="200" height="40"><text x="5" y="20">one two</text><text x="9" y="22">three</text>'
        '<text x="190" y="20">cut off here</text></svg></figure><p style="width:4000px">wide</p>'
        '<p style="color:#999">faint</p>',
        "utf-8",
    )
    browser.media(scheme="light")
    browser.open(page.as_uri())
    assert len(browser.run(looking.OVERLAPS)) == 2
    assert len(browser.run(looking.TOO_WIDE)) == 2
    assert len(browser.run(looking.CONTRAST)) == 1


PAGES = [
    "/",
    "/table?sheet=verdicts/labelled",
    "/table?sheet=datasets/preference",
    "/table?sheet=selected/midtrain/dropped",
    "/table?sheet=verdicts/labelled&q=nothing-has-this",
    "/row?id=p-0000000000000000",
    "/row?id=p-0000000000000001",
    "/row?id=p-0000000000000007",
    "/review",
    "/row?id=nobody",
]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 420)])
def test_the_viewer_reads_well(browser, serve, full_run, looking, scheme, width):
    address = serve(full_run)
    browser.media(scheme=scheme, width=width)
    for page in PAGES:
        browser.open(address + page)
        assert browser.run(looking.TOO_WIDE) == [], page
        assert browser.run(looking.CONTRAST) == [], page
        assert browser.refused == [], page
        assert all(url.startswith(address) for url in browser.requests), page
