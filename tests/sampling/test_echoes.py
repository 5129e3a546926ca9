"""What a server repeats or makes up: secrets reach no file and no terminal, markup and control characters no terminal."""

import base64
import itertools
import json
import random
from functools import partial
from urllib.parse import quote

import polars as pl
import pytest
import yaml

from factory.cli.main import main
from factory.redaction import forms, redact, secrets_of, without
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore
from tests.servers.echo_server import ENCODINGS, PLACES, EchoServer

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@pytest.fixture(scope="module")
def server():
    running = EchoServer()
    yield running
    running.stop()


def secret(draw, special):
    """A password or key; with letters that a URL must encode."""
    text = "".join(draw.choice(LETTERS) for _ in range(18))
    return f"{text[:6]}{draw.choice('@:/%?# +&')}{text[6:]}" if special else text


def with_secret(server, kind, value):
    """Base URL and environment under which `value` identifies the client."""
    host = f"127.0.0.1:{server.port}/v1"
    if kind == "userinfo":
        return f"http://bob:{quote(value, safe='')}@{host}", {}
    if kind == "query":
        return f"http://{host}?key={quote(value, safe='')}", {}
    return f"http://{host}", {"HIDDEN_NAME": value}


def everything(folder):
    """Every byte below a folder, and the texts that are compressed in Parquet files and in response stores."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(str(path).encode() + path.read_bytes())
        if path.suffix == ".parquet":
            found.append(json.dumps(pl.read_parquet(path).to_dicts(), default=str).encode())
        if path.name == "responses.sqlite":
            with ResponseStore(path.parent) as store:
                stored = store.get_many(list(store.keys()), failed=True)
                found += [repr(each).encode() for each in stored]
    return b"\n".join(found)


def written_forms(value):
    """The ways in which a secret would be found again, the tests' own."""
    raw = value.encode()
    pieces = {raw, quote(value, safe="").encode(), quote(value).encode(), json.dumps(value)[1:-1].encode()}
    whole = [base64.b64encode(before + raw)[len(before) * 4 // 3 + 2 : -4] for before in (b"", b"x", b"xy")]
    return pieces | {piece for piece in whole if len(piece) > 12}


CASES = list(itertools.product(PLACES, ENCODINGS))


@pytest.mark.parametrize("kind", ["userinfo", "query", "key"])
def test_secrets_reach_no_file_and_no_terminal(server, kind, tmp_path, monkeypatch, capfd):
    draw = random.Random(kind)
    (tmp_path / "p.jsonl").write_text('{"problem": "What is 2 + 2?", "answer": "4"}\n')
    # One attempt each: what is tried again says the same.
    monkeypatch.setattr("factory.sampling.problems.Schedule", partial(Schedule, tries=1, base_pause=0.0))
    monkeypatch.setattr("factory.sampling.schedule.REFUSALS", 1)
    leaks, values = [], []
    for number, (place, encoding) in enumerate(CASES):
        special = kind != "key" and number % 2 == 1
        value = secret(draw, special)
        values.append(value)
        url, environment = with_secret(server, kind, value)
        for name, each in environment.items():
            monkeypatch.setenv(name, each)
        server.place, server.encoding, server.hostile = place, encoding, ""
        out = tmp_path / f"out{number}"
        words = ["generate", tmp_path / "p.jsonl", "--teacher", "openai", "--model", "m", "--base-url", url]
        words += ["--out", out, "--samples", "1", *(["--api-key-env", "HIDDEN_NAME"] if environment else [])]
        monkeypatch.setattr("sys.argv", ["factory", *map(str, words)])
        with pytest.raises(SystemExit):
            main()
        said = "".join(capfd.readouterr()).encode()
        assert value in server.seen[-1] or quote(value, safe="") in server.seen[-1], "it was sent"
        everywhere = everything(out) + said
        leaks += [(place, encoding, form) for form in written_forms(value) if form in everywhere]
    assert len(values) >= 50
    assert not leaks


def test_a_recipe_s_password_reaches_no_file_of_its_run(server, tmp_path, monkeypatch, capfd):
    value = secret(random.Random(5), special=True)
    url, _ = with_secret(server, "userinfo", value)
    keyed, _ = with_secret(server, "query", value)
    server.place, server.encoding, server.hostile = "content", "base64", ""
    data = {
        "name": "secret",
        "problems": {"sources": ["procedural:linear_equation?count=6&seed=3&style=terse"]},
        "generate": {"teacher": "openai", "model": "m", "base_url": f"{url},{keyed}", "samples": 2},
        "verify": {"workers": 1, "judge": {"preset": "openai", "model": "j", "base_url": keyed}},
        "datasets": {"need_reasoning": False},
        "train": None,
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    for words in (["run", tmp_path / "recipe.yaml", "--out", tmp_path / "run"], ["status", tmp_path / "run"]):
        monkeypatch.setattr("sys.argv", ["factory", *map(str, words)])
        with pytest.raises(SystemExit):
            main()
    said = "".join(capfd.readouterr()).encode()
    assert "bob" in " ".join(server.seen) and (tmp_path / "run" / "recipe.yaml").exists()
    everywhere = everything(tmp_path / "run") + said
    assert [form for form in written_forms(value) if form in everywhere] == []


@pytest.mark.parametrize("seed", range(20))
def test_every_form_of_a_secret_is_found_and_nothing_else_is_touched(seed):
    draw = random.Random(seed)
    value = secret(draw, special=seed % 2 == 0)
    around = "".join(draw.choice(LETTERS) for _ in range(draw.randrange(9)))
    for name, encode in ENCODINGS.items():
        text = encode(around + value + around)
        assert not any(form in without(text, [value]) for form in map(bytes.decode, written_forms(value))), (
            name
        )
    assert without(around, [value]) == around
    assert list(secrets_of(f"https://bob:{quote(value, safe='')}@h/v1?x=1")) == [value]
    assert list(secrets_of(f"https://h/v1?a=b&api_key={quote(value, safe='')}")) == [value]
    assert value not in redact(f"https://bob:{quote(value, safe='')}@h/v1")
    assert len(forms(value)) >= 4


MARKUP = ("[/b]", "[bold red]x[/bold red]", "[link=http://evil]y[/link]", "[not-a-tag", "\\[b]", ":smiley:")
CONTROLS = ("\x1b[2J", "\x1b]0;owned\x07", "\u202e", "\x9b31m", "\u2066", "\r", "\x00", "\u2028", "\ue000")


@pytest.mark.parametrize(
    "place", ["served_model", "finish_reason", "error_500", "error_400", "error_401", "content"]
)
def test_markup_and_control_characters_are_shown_as_text(server, place, tmp_path, monkeypatch, capfd):
    """In what a server says, in model names and in ids of problems; by the verb, its progress, and `status`."""
    draw = random.Random(place)
    monkeypatch.setattr("factory.sampling.problems.Schedule", partial(Schedule, tries=1, base_pause=0.0))
    monkeypatch.setenv("FACTORY_PROGRESS", "bar")
    for number in range(3):
        hostile = "".join(draw.choice(MARKUP + CONTROLS) for _ in range(6))
        server.place, server.encoding, server.hostile = place, "plain", hostile
        row = {"id": hostile, "problem": f"What is {hostile}?", "answer": "4"}
        (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n" + "{broken [/b] \x1b[2J")
        url = f"http://127.0.0.1:{server.port}/v1"
        out = tmp_path / f"out{number}"
        name = hostile.replace("\x00", "")
        words = ["generate", tmp_path / "p.jsonl", "--teacher", "openai", "--model", name, "--base-url", url]
        for command in ([*words, "--out", out, "--samples", "1"], ["status", out], ["why", hostile, out]):
            monkeypatch.setattr("sys.argv", ["factory", *map(str, command)])
            with pytest.raises(SystemExit) as ended:
                main()
            assert ended.value.code in (None, 0, 1, 2, 3)
            said = "".join(capfd.readouterr())
            assert "Traceback" not in said and "MarkupError" not in said
            assert not [c for c in CONTROLS if c in said.replace("\r\n", "\n")], command[0]
            if command[0] == "status" and "\topenai\t" in f"\t{said}".replace("\n", "\t"):
                shown = [part for part in MARKUP if part in hostile and part in said]
                assert shown or not any(part in name for part in MARKUP), "as text, not swallowed as markup"
