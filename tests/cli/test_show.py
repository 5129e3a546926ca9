"""Words from elsewhere are shown as they are: no markup is obeyed or eaten, no control character reaches the terminal."""

import re

import pytest

from factory.cli.show import counts, say, show
from factory.redaction import printable

HOSTILE = [
    "[/b]x",
    "/models/[v1]/ck",
    "[red]a[/red]",
    "a\x1b]0;owned\x07",
    "a\x1b[2J",
    "\u202eabc",
    "[link=http://x]y",
    "\\[b]",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_shown_whole(text, capsys):
    say(text)
    show(text, (text, f">{text}"), [(text, 1), ("b", text)])
    out = capsys.readouterr().out
    shown = printable(text)
    assert out.count(shown) == 6
    assert not any(c in out for c in "\x1b\x07\u202e")


def test_off_a_terminal_each_row_is_one_line(capsys):
    show("t", ("key", "doc"), [("deduplication.threshold", "word " * 60), ("b", "short")])
    lines = capsys.readouterr().out.splitlines()
    assert sum("deduplication.threshold" in line and line.count("word") == 60 for line in lines) == 1


def test_on_a_terminal_a_table_is_folded_into_its_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    show("t", ("key", "doc", ">n"), [("deduplication.threshold", "word " * 60, 123_456)])
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 80
    assert "123456" in out and "…" not in out


def test_counts():
    assert counts({}) == "-"
    assert counts({"near_duplicate": 1_234, "exact": 2}) == "1,234 near duplicate, 2 exact"


@pytest.mark.parametrize("width", ["40", "80", "160"])
def test_no_cell_is_cut_on_a_terminal(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    rows = [
        (
            "deepseek-r1-local",
            "deepseek-ai/DeepSeek-R1",
            "OPENROUTER_API_KEY (not set)",
            "0.7 / 2.5 (2026-11-15)",
        )
    ]
    show("t", ("name", "model", "key", ">$ per M tokens"), rows)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= int(width)
    for word in rows[0]:
        for piece in word.split():
            assert all(letter in out for letter in piece)
    letters = sorted("".join("".join(rows[0]).split()))
    shown = sorted("".join(out.partition("─")[2].replace("─", "").split()))
    assert shown == letters


def test_a_long_path_stays_in_one_piece(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    say("report:    " + "/a" * 60, "short words are wrapped between words when the line is too long")
    lines = capsys.readouterr().out.splitlines()
    assert "/a" * 60 in lines[0]
    assert all(len(line) <= 40 for line in lines[1:]) and len(lines) == 3
