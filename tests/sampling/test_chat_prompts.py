"""Prompts of several messages, with fields of the row, or written by a function: what is sent, and what is refused before it costs."""

import json
from pathlib import Path

import polars as pl
import pytest

from factory.config.generate import GenerateSection
from factory.errors import UsageError
from factory.run.parts import read_parts
from factory.steps import estimate
from factory.steps import generate as step
from factory.steps.generate_preview import preview

ROWS = [
    {"problem": "What is \\frac{1}{2} of {x}?", "answer": "1", "hint": "halve {it}", "choices": ["1", "{b}"]},
    {"problem": "Two?", "answer": "2", "hint": "a pair", "choices": ["1", "2"], "n": 3},
]
CHAT = [
    {"system": "Answer in \\boxed{answer}."},
    {"user": "1 + 1?"},
    {"assistant": "It is \\boxed{\\frac{4}{2}}."},
    {"user": "{problem}\nHint: {hint}\n{choices}"},
]
SENT = [
    {"role": "system", "content": "Answer in \\boxed{answer}."},
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "It is \\boxed{\\frac{4}{2}}."},
    {"role": "user", "content": "What is \\frac{1}{2} of {x}?\nHint: halve {it}\nA. 1\nB. {b}"},
]
ASK = r"""
def ask(problem, hint, choices):
    shown = "\n".join(f"{letter}. {each}" for letter, each in zip("AB", choices))
    return [
        {"role": "system", "content": "Answer in \\boxed{answer}."},
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": r"It is \boxed{\frac{4}{2}}."},
        {"role": "user", "content": f"{problem}\nHint: {hint}\n{shown}"},
    ]
def text(row): return row["problem"] + "!"
def some(problem, n): return f"{problem} {n + 1}"
def none(problem): return None
def empty(problem): return []
def answered(problem): return [{"role": "assistant", "content": problem}]
def roles(problem): return [{"role": "tool", "content": problem}]
def half(problem): return [{"role": "user"}]
def blank(problem): return " "
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The rows and `ask.py` in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    Path("ask.py").write_text(ASK)


def section(server, **changes):
    url = server.url if server else "http://127.0.0.1:9/v1"
    settings = {"teacher": "vllm", "model": "fake-r1", "base_url": url, "samples": 1, "max_tokens": 64}
    return GenerateSection(**settings | {"concurrency": 4} | changes)


def run(server, out="out", **changes):
    return step.run_files(["rows.jsonl"], Path(out), section(server, **changes), store=Path("store"), seed=0)


def first_sent(**changes):
    seen = preview(["rows.jsonl"], section(None, **changes), store=Path("none"), seed=0)
    return json.loads(seen.first)["body"]["messages"]


def test_messages_are_sent_as_written_with_the_fields_of_the_row():
    assert first_sent(prompt=CHAT) == SENT
    Path("chat.yaml").write_text(json.dumps(CHAT))
    assert first_sent(prompt="chat.yaml") == SENT
    assert first_sent(prompt="ask.py:ask") == SENT
    assert first_sent(prompt="ask.py:text", system="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ROWS[0]["problem"] + "!"},
    ]


def test_stored_answers_are_found_again_exactly_when_the_messages_are_equal(serve):
    server = serve()
    run(server, prompt=CHAT)
    assert server.get("stats")["asked"] == 2
    again = run(server, "again", prompt="ask.py:ask")
    assert server.get("stats")["asked"] == 2 and again.made
    one, other = (read_parts(Path(each)) for each in ("out", "again"))
    assert one["request_key"].to_list() == other["request_key"].to_list()
    assert one.columns == other.columns and not [name for name in other.columns if name.startswith("_")]
    run(server, "third", prompt=[*CHAT[:-1], {"user": "{problem} Hint: {hint}\n{choices}"}])
    assert server.get("stats")["asked"] == 4


def test_an_edited_function_is_asked_again_and_an_untouched_one_is_not(serve, capfd, monkeypatch):
    monkeypatch.setenv("FACTORY_PROGRESS", "log")
    server = serve()
    assert run(server, prompt="ask.py:text").made and not run(server, prompt="ask.py:text").made
    Path("ask.py").write_text(ASK + "# another remark\n")
    assert run(server, prompt="ask.py:text").made
    assert "generate: made again, because of other prompt text" in capfd.readouterr().err
    assert server.get("stats")["asked"] == 2  # the messages are the same: nothing is bought again
    Path("ask.py").write_text(ASK.replace('"!"', '"!!"'))
    assert run(server, prompt="ask.py:text").made and server.get("stats")["asked"] == 4


def test_many_workers_ask_the_same(serve):
    from factory.engines.engine import open_engine

    server = serve()
    run(server, prompt="ask.py:ask", samples=2)
    with open_engine("local", 2) as engine:
        step.run_files(
            ["rows.jsonl"], Path("wide"), section(server, prompt="ask.py:ask", samples=2), store=Path("store"),
            seed=0, engine=engine, workers=2,
        )  # fmt: skip
    assert server.get("stats")["asked"] == 4
    assert read_parts(Path("wide")).equals(read_parts(Path("out")))


def test_a_preview_holds_the_messages_as_sent(serve):
    server = serve()
    _, answers = estimate.run(
        ["rows.jsonl"], Path("out"), section(server, prompt="ask.py:ask", price=(1, 1)), store=Path("store"),
        seed=0, pilot=2,
    )  # fmt: skip
    assert answers["messages"].to_list()[0] == SENT
    run(server, prompt="ask.py:ask")
    assert server.get("stats")["asked"] == 2


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("{problem} {hnt}", r"the prompt asks for \{hnt\}.* did you mean hint\?; write \{\{hnt\}\}"),
        ("{problem} {zz}", r"asks for \{zz\}, and the problems have no such field - fields: answer,"),
        ("{problem} {n}", r"1 of 2 problems have no n, which the prompt asks for; the first is p-"),
        ([{"user": "{zz}"}, {"assistant": "a"}, {"user": "{problem}"}], r"asks for \{zz\}"),
        ("ask.py:none", r"2 of 2 problems got no prompt, .*: none returned None: return the text to send"),
        ("ask.py:some", "1 of 2 problems got no prompt, the first is .*: some: TypeError"),
        ("ask.py:empty", "empty returned"),
        ("ask.py:answered", "answered returned"),
        ("ask.py:roles", "roles returned"),
        ("ask.py:half", "half returned"),
        ("ask.py:blank", "blank returned"),
        ("ask.py:asc", r"defines no asc - did you mean ask\?"),
    ],
)
def test_what_cannot_be_asked_is_one_line_before_anything_is_spent(prompt, says, serve):
    server = serve()
    for work in (lambda: run(server, prompt=prompt), lambda: first_sent(prompt=prompt)):
        with pytest.raises(UsageError, match=says) as refused:
            work()
        assert len(str(refused.value).splitlines()) == 1
    assert server.get("stats")["asked"] == 0


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ([{"user": "x"}], r"no \{problem\} in it"),
        ([], r"no \{problem\} in it"),
        ("mine.txt", r"no \{problem\} in it.*FILE.py:FUNCTION"),
        ([{"user": "{problem}"}, {"assistant": "x"}], "the last message is the user's"),
        ([{"user": "{problem}"}, {"system": "x"}], "the system message comes first"),
        ([{"usr": "{problem}"}], "a message is written as - user: text"),
        ([{"role": "tool", "content": "{problem}"}], "no role tool"),
        ([{"role": "user", "content": "{problem}", "name": "x"}], "a message is written as"),
        (["{problem}"], "a message is written as"),
        ("nowhere.yaml", "cannot read the prompt nowhere.yaml: No such file"),
    ],
)
def test_a_prompt_that_no_server_takes_is_refused_by_the_recipe(prompt, says):
    with pytest.raises(ValueError, match=says):
        GenerateSection(prompt=prompt)


def test_two_who_decide_are_refused():
    with pytest.raises(ValueError, match="leave system out"):
        GenerateSection(prompt=CHAT, system="x")
    with pytest.raises(ValueError, match="leave prompts out"):
        GenerateSection(prompt="ask.py:ask", prompts={"code": "{problem}"})


def test_lists_numbers_and_objects_in_a_prompt():
    rows = [{"problem": "P", "tags": ["a", "b"], "n": 2.0, "deep": {"x": "é"}, "flag": True}]
    Path("rows.jsonl").write_text(json.dumps(rows[0]) + "\n")
    sent = first_sent(prompt="{problem}|{tags}|{n}|{deep}|{flag}")[0]["content"]
    assert sent == 'P|a, b|2|{"x": "é"}|True'


def test_each_kind_has_its_own_fields(serve):
    frame = pl.DataFrame(
        {
            "problem": ["1+1?", "Write f."],
            "answer": ["2", None],
            "answer_kind": ["math", "code"],
            "starter": [None, "def f"],
        }
    )
    frame.write_parquet("rows.parquet")
    own = section(serve(), prompts={"code": [{"user": "{problem}\n{starter}"}]})
    step.run_files(["rows.parquet"], Path("out"), own, store=Path("store"), seed=0)
    assert read_parts(Path("out")).height == 2
    wrong = section(serve(), prompts={"math": "{problem} {starter}"})
    with pytest.raises(UsageError, match=r"asks for \{starter\}"):
        step.run_files(["rows.parquet"], Path("other"), wrong, store=Path("store"), seed=0)
