"""The report and the viewer in a real Chromium: nothing overlaps, nothing is cut, light and dark, screen and print."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from factory.atomic import read_json, write_json
from factory.report import build_report
from factory.run.layout import RunLayout
from tests.support.marks import mostly_long

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


def half_done(until):
    def make(make_run, rewrite, run):
        make_run(run, until=until, count=12)

    make.__name__ = until
    return make


def unpriced(make_run, rewrite, run):
    make_run(run)
    for folder in (RunLayout(run).responses, RunLayout(run).verdicts):
        rewrite(folder, lambda frame: frame.with_columns(usd=pl.lit(None, dtype=pl.Float64)))


def without_difficulty(make_run, rewrite, run):
    make_run(run)
    for folder in ("difficulty", "train", "eval"):
        shutil.rmtree(run / folder)


def broken(make_run, rewrite, run):
    make_run(run)
    part = next(RunLayout(run).labelled.glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])


def choices(make_run, rewrite, run):
    """Choice questions, as the recipe for science has them."""
    make_run(run)
    options = pl.lit(["5", "8", "a long option that says in many words what it says", "17"])
    for folder in (RunLayout(run).difficulty, RunLayout(run).rollouts):
        rewrite(
            folder,
            lambda frame: frame.with_columns(
                choices=options, answer_kind=pl.lit("choice"), guess_rate=pl.lit(0.25)
            ),
        )


def code(make_run, rewrite, run):
    """Functions as answers: long lines without a space, indented text, angle brackets."""
    make_run(run)
    body = pl.lit(
        "```python\ndef f(x: list[int]) -> int:\n    return "
        + "+".join(f"x[{i}]" for i in range(90))
        + "\n```"
    )
    for folder in (RunLayout(run).labelled, RunLayout(run).verdicts):
        rewrite(folder, lambda frame: frame.with_columns(content=body, method=pl.lit("tests")))


def several_benchmarks(make_run, rewrite, run):
    make_run(run)
    for stage in ("base", "midtrain", "sft", "dpo", "rl"):
        path = RunLayout(run).evaluation(stage) / "summary.json"
        summary = read_json(path)
        row = summary["benchmarks"]["held_out"]
        names = ("aime24", "math500", "gpqa_diamond", "a_benchmark_with_a_long_name_of_its_own")
        write_json(path, {**summary, "benchmarks": {name: row for name in names}})


KINDS = [
    *map(half_done, ("problems", "verdicts", "datasets")), unpriced, without_difficulty, broken, choices, code, several_benchmarks,
]  # fmt: skip


@pytest.mark.parametrize("kind", mostly_long(KINDS, 2), ids=lambda kind: kind.__name__)
def test_the_report_of_every_kind_of_run_fits(browser, make_run, rewrite, looking, tmp_path, kind):
    kind(make_run, rewrite, tmp_path / "run")
    fits(browser, build_report(tmp_path / "run").as_uri(), looking)


def test_the_report_fits_and_is_short(browser, report_url, looking):
    fits(browser, report_url, looking)


def test_the_report_beside_another_run_fits_and_is_short(browser, make_run, looking, full_run, tmp_path):
    """Three benchmarks at every stage of both, names that are long, and recipes that differ in everything."""
    runs = [tmp_path / "this", tmp_path / "that"]
    for n, run in enumerate(runs):
        several_benchmarks(make_run, None, run)
        recipe = f"name: a_run_with_{'a_long_' * 9}name_{n}\nseed: {n}\nproblems: {{sources: [x{n}]}}\n"
        (run / "recipe.yaml").write_text(recipe, "utf-8")
    fits(browser, build_report(runs[0], against=runs[1]).as_uri(), looking)
    fits(browser, build_report(full_run, out=tmp_path / "full.html", against=runs[1]).as_uri(), looking)


def fits(browser, url, looking):
    """At each width, folded and open: nothing is cut, overlaps or is too small to read; and folded the page is short."""
    for width in (1440, 768, 390):
        browser.media(width=width)
        browser.open(url)
        if width == 1440:
            assert browser.run("document.documentElement.scrollHeight") < 6_000
        for _ in ("folded", "open"):
            for look in (looking.OVERLAPS, looking.TOO_WIDE, looking.SPILLS, looking.SMALL_TEXT):
                assert browser.run(look) == [], width
            browser.run(looking.OPEN_ALL)


def test_folds_are_open_in_print(browser, report_url, looking):
    browser.media()
    browser.open(report_url)
    assert browser.run(looking.FOLDED) > 5
    browser.media(kind="print", width=800)
    assert browser.run(looking.FOLDED) == 0
    titles = "[...document.querySelectorAll('summary')].filter(s => !s.closest('.piece'))"
    assert browser.run(f"{titles}.length") > 5
    assert browser.run(f"{titles}.filter(s => !s.getClientRects().length).length") == 0, (
        "a fold without its title"
    )


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
    assert any("wide" in each for each in browser.run(looking.SPILLS))
    page.write_text(
        '<figure><svg viewBox="0 0 100 9" width="50"><text font-size="10">x</text></svg></figure>', "utf-8"
    )
    browser.open(page.as_uri())
    assert browser.run(looking.SMALL_TEXT) == ["5.0 px: x"]


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


@pytest.mark.parametrize(("scheme", "width"), mostly_long([("light", 1400), ("dark", 1400), ("light", 420)]))
def test_the_viewer_reads_well(browser, serve, full_run, looking, scheme, width):
    address = serve(full_run)
    browser.media(scheme=scheme, width=width)
    for page in PAGES:
        browser.open(address + page)
        assert browser.run(looking.TOO_WIDE) == [], page
        assert browser.run(looking.CONTRAST) == [], page
        assert browser.refused == [], page
        assert all(url.startswith(address) for url in browser.requests), page


def test_what_the_page_before_asks_for_does_not_count(browser, tmp_path):
    """A page that followed a run still asked when the next one was opened, and its request stood among that one's."""
    asking, quiet = tmp_path / "asking.html", tmp_path / "quiet.html"
    asking.write_text(
        "<script>setInterval(() => { new Image().src = 'no.png?' + Math.random(); }, 1)</script>"
    )
    quiet.write_text("<p>quiet</p>")
    for _ in range(5):
        browser.open(asking.as_uri())
        browser.open(quiet.as_uri())
        assert all(url.startswith(quiet.as_uri()) for url in browser.requests), browser.requests
