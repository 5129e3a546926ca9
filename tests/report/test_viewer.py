"""The viewer over real HTTP and in a real Chromium."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

import polars as pl
import pytest

from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from factory.run.review import FILE, read_reviews


def get(url: str, **headers: str) -> tuple[int, str, dict]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, answer.read().decode("utf-8"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8"), dict(error.headers)


def post(url: str, body: bytes, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(
        url, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8")


@pytest.fixture(scope="module")
def address(serve, full_run):
    return serve(full_run)


def test_every_page_carries_the_policy(address):
    for page in (
        "/",
        "/table?sheet=verdicts/labelled",
        "/row?id=nobody",
        "/no-such-page",
        "/static/viewer.js",
    ):
        _, _, headers = get(address + page)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_a_request_for_another_host_gets_nothing(address):
    status, body, _ = get(address + "/", Host="evil.example")
    assert (status, body) == (403, "the viewer answers only to this machine")


def test_a_mark_from_another_page_is_refused(address, full_run):
    body = json.dumps({"id": "p-0000000000000004", "mark": "reject"}).encode()
    kind = "application/json"
    assert post(address + "/mark", body, content_type=kind)[0] == 403
    assert post(address + "/mark", body, content_type=kind, origin="http://evil.example")[0] == 403
    assert post(address + "/mark", body, content_type="text/plain", origin=address)[0] == 415
    assert not (full_run / FILE).exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"id": "x"}', b'{"id": "", "mark": "accept"}', b'{"id": "x", "mark": "burn"}', b"\xff"],
)
def test_a_malformed_mark_is_refused_in_one_line(address, full_run, body):
    status, answer = post(address + "/mark", body, content_type="application/json", origin=address)
    assert status == 400
    assert json.loads(answer)["error"]
    assert not (full_run / FILE).exists()


def test_a_mark_without_end_is_refused(address):
    status, _ = post(address + "/mark", b" " * 70_000, content_type="application/json", origin=address)
    assert status == 413


@pytest.mark.parametrize(
    "page",
    [
        "/table?sheet=" + quote("verdicts/labelled' OR 1=1 --"),
        "/table?" + urlencode({"sheet": "verdicts/labelled", "sort": '"; DROP TABLE x; --', "page": "-1"}),
        "/table?"
        + urlencode({"sheet": "verdicts/labelled", "fc": "verdict", "fo": "is", "fv": "' OR '1'='1"}),
        "/table?" + urlencode({"sheet": "verdicts/labelled", "fc": "usd", "fo": "<", "fv": "1; DROP"}),
        "/table?" + urlencode({"sheet": "verdicts/labelled", "q": "%_\\'\""}),
        "/table?" + urlencode({"sheet": "verdicts/labelled", "page": "99999999999999999999"}),
        "/values?" + urlencode({"sheet": "verdicts/labelled", "column": "nope"}),
        "/row?id=" + quote("../../etc/passwd"),
        "/static/../app.py",
        "/row",
        "/table",
    ],
)
def test_odd_addresses_give_a_page_and_no_error(address, page):
    status, body, _ = get(address + page)
    assert status in (200, 400, 404)
    assert "Traceback" not in body
    assert "Error" not in body


def test_hostile_rows_cannot_run_in_the_viewer(browser, serve, make_run, tmp_path, hostile):
    run = make_run(tmp_path / "run")
    address = serve(run)
    post(
        address + "/mark",
        json.dumps({"id": "p-0000000000000000", "mark": "note", "note": hostile}).encode(),
        content_type="application/json",
        origin=address,
    )
    seen = 0
    for page in (
        "/",
        "/table?sheet=problems/read",
        "/table?sheet=verdicts/labelled&col=verdict_reason&col=reasoning&col=content",
        "/table?sheet=problems/clean/dropped&col=evidence&col=row",
        "/table?"
        + urlencode({"sheet": "problems/read", "q": hostile, "fc": "source", "fo": "is", "fv": hostile}),
        "/row?id=p-0000000000000000",
        "/row?id=p-0000000000000009",
        "/row?id=" + quote(hostile),
        "/columns?sheet=problems/read",
        "/columns?sheet=verdicts/labelled&by=verdict_reason",
        "/table?sheet=problems/read&q=" + quote(hostile),
        "/review",
    ):
        browser.open(address + page)
        browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        browser.settle(0.1)
        assert browser.dialogs == [], page
        assert browser.run("document.querySelectorAll('img, script:not([src^=\"/static/\"])').length") == 0, (
            page
        )
        seen += "alert(1)</script>" in browser.run("document.body.innerText")
    assert seen >= 10


def test_the_browser_would_have_told_of_a_script_that_ran(browser, tmp_path, hostile):
    page = tmp_path / "open.html"
    page.write_text(f"<body>{hostile}</body>", "utf-8")
    browser.open(page.as_uri())
    assert browser.dialogs


@pytest.mark.parametrize(
    "attack",
    [
        "document.querySelector('main').innerHTML = '<img src=x onerror=alert(9)>'",
        "document.querySelector('main').setAttribute('onclick', 'alert(8)'); document.querySelector('main').click()",
        "document.body.appendChild(Object.assign(document.createElement('script'), { text: 'alert(7)' }))",
        "eval('alert(6)')",
        "location.href = 'javascript:alert(5)'",
        "document.body.appendChild(Object.assign(document.createElement('img'), { src: 'https://example.invalid/x.png' }))",
    ],
)
def test_the_policy_stops_a_script_even_where_escaping_were_forgotten(browser, address, attack):
    browser.open(address + "/")
    browser.send("Runtime.evaluate", expression=attack, allowUnsafeEvalBlockedByCSP=False)
    browser.settle()
    assert browser.dialogs == []
    assert all(url.startswith((address, "javascript:")) for url in browser.requests)


def test_formulas_are_drawn_and_prices_are_not(browser, address):
    browser.open(address + "/row?id=p-0000000000000002")
    browser.wait(lambda: browser.run("document.querySelectorAll('.problem .katex').length") == 3)
    assert browser.run("document.querySelectorAll('.problem .katex-display').length") == 1
    assert "Costs $5 and $6." in browser.run("document.querySelector('.problem .text').innerText")
    browser.press("t")
    source = browser.run("document.querySelector('.problem .text').textContent")
    assert source.startswith("Let $f(x)=\\frac{x^2-1}{\\sqrt{x+1}}$. Find \\[")
    browser.press("t")
    assert browser.run("document.querySelectorAll('.problem .katex').length") == 3


def test_a_boxed_answer_without_dollars_is_drawn(browser, address):
    browser.open(address + "/row?id=p-0000000000000000")
    drawn = (
        "document.querySelectorAll('.response')[1].querySelectorAll('.text:not(details .text) .katex').length"
    )
    browser.wait(lambda: browser.run(drawn) == 2)


def test_formula_fonts_are_bundled(browser, address):
    browser.open(address + "/row?id=p-0000000000000002")
    browser.run("document.fonts.ready.then(() => 0)")
    fonts = [url for url in browser.requests if url.endswith(".woff2")]
    assert fonts
    assert all(url.startswith(address) for url in browser.requests)
    assert browser.run("[...document.fonts].filter((f) => f.status === 'error').length") == 0


def test_reasoning_is_folded_and_drawn_when_opened(browser, address):
    browser.open(address + "/row?id=p-0000000000000005")
    assert browser.run("document.querySelector('.response details.reasoning').open") is False
    browser.press("j")
    browser.press("Enter")
    assert browser.run("document.querySelector('.response details.reasoning').open") is True


def test_a_review_by_keyboard_reaches_the_disk(browser, serve, make_run, tmp_path):
    run = make_run(tmp_path / "run", until="verdicts")
    address = serve(run)
    browser.open(address + "/table?sheet=verdicts/teacher")
    ids = browser.run("[...document.querySelectorAll('tr[data-id]')].slice(0, 3).map((r) => r.dataset.id)")
    for key in ("j", "a", "j", "r"):
        browser.press(key)
    browser.wait(lambda: len(read_reviews(run)) == 2)
    assert {k: v.mark.value for k, v in read_reviews(run).items()} == {ids[0]: "accept", ids[1]: "reject"}
    browser.press("j")
    browser.press("Enter")
    browser.wait(lambda: browser.run("location.pathname") == "/row")
    browser.wait(lambda: browser.loaded and browser.run("!!document.querySelector('.response.asked.at')"))
    browser.press("m")
    browser.wait(lambda: browser.run("document.getElementById('note').open"))
    browser.send("Input.insertText", text="units missing <b>")
    browser.run("document.querySelector('#note button.primary').click()")
    browser.wait(lambda: len(read_reviews(run)) == 3)
    assert read_reviews(run)[ids[2]].note == "units missing <b>"
    browser.press("u")
    browser.wait(lambda: ids[2] not in read_reviews(run))


def test_n_walks_through_the_rows_of_the_table(browser, address):
    browser.open(address + "/table?sheet=problems/clean")
    ids = browser.run("[...document.querySelectorAll('tr[data-id]')].slice(0, 3).map((r) => r.dataset.id)")
    browser.press("j")
    browser.press("Enter")
    for expected in ids[:2]:
        browser.wait(
            lambda expected=expected: (
                browser.run("new URLSearchParams(location.search).get('id')") == expected
            )
        )
        browser.wait(
            lambda: browser.run(
                "document.readyState === 'complete' && !!document.querySelector('.target.at')"
            )
        )
        browser.press("n")
    browser.wait(lambda: browser.run("new URLSearchParams(location.search).get('id')") == ids[2])


def test_pairs_lie_side_by_side(browser, address, full_run):
    pair = read_parts(RunLayout(full_run).dataset("preference")).row(0, named=True)
    browser.media(width=1400)
    browser.open(f"{address}/row?id={pair['chosen_response_id']}")
    boxes = browser.run(
        "['chosen', 'rejected'].map((n) => { const b = document.querySelector('.pair .' + n).getBoundingClientRect();"
        " return [b.top, b.left, b.right]; })"
    )
    assert boxes[0][0] == boxes[1][0]
    assert boxes[0][2] < boxes[1][1]


def test_filters_by_form_and_by_link(browser, address, full_run):
    wrong = read_parts(RunLayout(full_run).labelled).filter(pl.col("verdict") == "incorrect").height
    browser.open(address + "/table?sheet=verdicts/labelled")
    browser.run("document.querySelector('a.value.incorrect').click()")
    browser.wait(lambda: browser.run(f"document.querySelector('.meta').innerText.startsWith('{wrong} rows')"))
    assert browser.run("document.querySelector('.chip').innerText") == "verdict is incorrect ×"
    browser.run("document.querySelector('.chip').click()")
    browser.wait(
        lambda: browser.run(
            "document.querySelectorAll('.chip').length === 0 && document.readyState === 'complete'"
        )
    )


def test_a_damaged_and_an_unfinished_step_are_named_on_every_page(serve, make_run, tmp_path):
    run = make_run(tmp_path / "run", until="verdicts")
    part = RunLayout(run).responses / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    (RunLayout(run).verdicts / "_manifest.json").unlink()
    address = serve(run)
    _, home, _ = get(address + "/")
    assert "responses/teacher/part-00000.parquet: corrupt" in home
    assert "verdicts/teacher: the step did not finish" in home
    status, body, _ = get(address + "/table?sheet=verdicts/teacher")
    assert status == 200
    assert "its rows are not shown" in body


def test_a_run_without_tables_has_an_empty_state(serve, tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: empty\n", "utf-8")
    status, body, _ = get(serve(tmp_path) + "/")
    assert status == 200
    assert "This run has no tables yet." in body
