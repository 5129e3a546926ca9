"""Terminals of 80 and 160 columns: nothing is wider, what matters survives, and the last lines say what is next."""

import re

import pytest

from tests.cli import screens
from tests.support.cli import run_factory
from tests.support.marks import mostly_long
from tests.support.terminal import on_terminal


@pytest.fixture(scope="module", params=mostly_long(screens.WIDTHS))
def shown(request):
    return request.param, screens.screens(request.param)


@pytest.mark.parametrize("verb", ["generate", "verify", "run", "train"])
def test_the_screen_is_as_it_was(verb, shown):
    width, found = shown
    code, terminal, text = found[verb]
    assert code == 0, text
    assert text == (screens.FOLDER / f"{verb}_{width}.txt").read_text("utf-8"), (
        "run python -m tests.cli.screens"
    )
    assert "…" not in text
    assert max(len(line) for line in terminal.seen if "next:" not in line and "load it" not in line) <= width


def test_every_frame_of_the_paid_step_holds_count_rate_time_and_money(shown):
    _, found = shown
    frames = [line for line in found["generate"][1].seen if line.startswith("generate ") and "/96" in line]
    paid = [line for line in frames if "$" in line]
    assert paid and all("/s" in line and " of $20" in line for line in paid)
    assert all("left" in line for line in paid if " 96/96" not in line)


def test_in_a_pipe_nothing_is_coloured_wrapped_or_drawn(tmp_path):
    done = run_factory("schema", "recipe", cwd=tmp_path, COLUMNS="40", FACTORY_PROGRESS="")
    assert "\x1b" not in done.stdout + done.stderr and "━" not in done.stderr
    assert sum(line.startswith("deduplication.threshold\t") for line in done.stdout.splitlines()) == 1


@pytest.mark.parametrize("env, coloured", [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_obeyed(env, coloured, tmp_path):
    words = (
        *screens.FACTORY,
        "generate",
        "procedural:countdown?count=5",
        "--teacher",
        "procedural",
        "--out",
        "r",
    )
    code, terminal = on_terminal(words, 80, cwd=tmp_path, env=env)
    colours = [
        each for each in re.findall(r"\x1b\[([\d;]*)m", terminal.raw) if re.search(r"\b(3\d|9\d)\b", each)
    ]
    assert code == 0 and bool(colours) is coloured
