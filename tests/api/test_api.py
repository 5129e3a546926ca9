"""`import factory as f`: every kind of rows, results that answer, a running loop, mistakes in one line."""

import asyncio
import signal
import subprocess
import sys
import threading
from html import unescape

import datasets
import polars as pl
import pytest

import factory as f
from factory.errors import Stopped, UsageError
from factory.sampling.loop import run_async
from tests.publishing.trainer_rows import write_set
from tests.servers.running import servers

ROWS = [
    {"id": "a", "problem": "What is 2+2 apples?", "answer": "4", "response": "So \\boxed{4}.", "n": 1},
    {"id": "b", "problem": "What is 2+3 pears?", "answer": "5", "response": "So \\boxed{6}.", "n": 2},
    {
        "id": "c",
        "problem": "What is 2+2 apples?",
        "answer": "4",
        "response": "<script>alert(1)</script>",
        "n": 3,
    },
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACTORY_PROGRESS", "off")
    monkeypatch.delenv("FACTORY_STORE", raising=False)


def kinds(folder):
    frame = pl.DataFrame(ROWS)
    frame.write_ndjson(folder / "rows.jsonl")
    yield "path", folder / "rows.jsonl"
    yield "word", str(folder / "rows.jsonl")
    yield "list of paths", [folder / "rows.jsonl"]
    yield "list of dicts", ROWS
    yield "polars", frame
    yield "lazy", frame.lazy()
    yield "arrow", frame.to_arrow()
    yield "pandas", frame.to_pandas()
    yield "dataset", datasets.Dataset.from_list(ROWS)
    yield "a part of a dataset", datasets.Dataset.from_list([*ROWS, ROWS[0]]).select(range(3))


def test_every_kind_of_rows_gives_the_same(tmp_path):
    seen = {}
    for name, rows in kinds(tmp_path):
        result = f.verify(rows)
        seen[name] = (len(result), result.rows.select("problem", "verdict", "answer").rows())
    assert len(set(map(str, seen.values()))) == 1, seen
    assert seen["path"][0] == 3


def test_a_result_answers():
    result = f.dedup(ROWS)
    assert len(result) == 2 and result.made and "2 of 3" in repr(result)
    assert result.rows["id"].to_list() == ["a", "b"]
    assert result.dropped["row_id"].to_list() == ["c"]
    assert result.why("c")["reason"] == "exact_duplicate" and not result.why("c")["kept"]
    assert result.why("a")["row"]["answer"] == "4"
    with pytest.raises(UsageError, match="no row z"):
        result.why("z")
    assert not f.dedup(ROWS).made, "the same call is found again"
    assert f.dedup(ROWS[:2]).dropped.height == 0


def test_what_rows_say_is_text_in_a_notebook(capsys):
    rows = [{**row, "problem": f"<img src=x onerror=alert({i})> {i}"} for i, row in enumerate(ROWS)]
    html = f.verify(rows)._repr_html_()
    assert "<img" not in html and "<script>" not in html and "onerror" in unescape(html)
    f.verify(rows).show()
    assert "verify: 3 of 3" in capsys.readouterr().out


def test_results_go_into_functions(tmp_path):
    verdicts = f.verify(f.dedup(ROWS, field="response"))
    assert len(verdicts) == 3
    assert len(f.dedup(verdicts.rows, threshold=0.8)) == 2
    exported = f.export(write_set(tmp_path / "sft", "sft"), "openai")
    assert exported["sft"].rows.height == 10 and "HOW_TO_TRAIN.md" in exported.files


def test_every_set_is_selected():
    """The rows of each set, from problems that some answer right and some wrong."""
    rows = []
    for i in range(2, 14):
        for k, said in enumerate((2 * i, 2 * i + 1)):
            trace = " ".join(f"step{i}{k}{n}" for n in range(20 + (5 * i + 3 * k) % 7))
            response = f"<think>\n{trace}\n</think>\n\n\\boxed{{{said}}}"
            rows.append({"problem": f"What is {i} plus {i}?", "answer": str(2 * i), "response": response})
    verdicts = f.verify(f.import_(rows).responses)
    sizes = {name: len(f.select(verdicts, name)) for name in ("midtrain", "sft", "preference", "rl")}
    assert sizes["midtrain"] == sizes["preference"] == 12 and sizes["sft"] >= 1 and sizes["rl"] >= 1


def test_a_threshold_is_changed_without_comparing_again():
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    rows = [{"id": str(i), "problem": " ".join(words[:10] + ["x"] * i + ["end"])} for i in range(6)]
    low = f.dedup(rows, threshold=0.3)
    high = low.rethreshold(0.95)
    assert len(high) > len(low) == 1 and high.folder == low.folder
    with pytest.raises(UsageError):
        f.dedup(rows, threshold=0.7, out="other").rethreshold(0.5)


def test_benchmarks_are_found(tmp_path):
    copied = "Every morning Aya goes for a 9-kilometer-long walk and stops at a coffee shop afterwards"
    (tmp_path / "own.jsonl").write_text(pl.DataFrame({"id": ["1"], "problem": [copied]}).write_ndjson())
    result = f.decontaminate([*ROWS, {**ROWS[0], "id": "d", "problem": copied}], str(tmp_path / "own.jsonl"))
    assert result.dropped["row_id"].to_list() == ["d"] and len(result) == 3
    assert (result.folder / "__side" / "CERTIFICATE.md").exists()


def test_traces_come_in_with_their_problems(tmp_path):
    brought = f.import_(
        [{"problem": "1+1?", "answer": "2", "generations": ["<think>a</think>\\boxed{2}", "b"]}]
    )
    assert len(brought) == 1 and len(brought.responses) == 2
    assert f.verify(brought.responses).rows["verdict"].to_list()[0] == "correct"


def ask(url, **more):
    rows = [{"id": f"p{i}", "problem": f"What is {i}+{i}?", "answer": str(2 * i)} for i in range(4)]
    return f.generate(rows, teacher="openai", base_url=url, model="m", samples=2, **more)


def test_generate_works_inside_a_running_loop():
    """A notebook runs a loop, and `asyncio.run` refuses to start another one in it."""

    async def cell(url):
        return ask(url)

    with servers() as serve:
        server = serve()
        assert len(asyncio.run(cell(server.url))) == 8
        assert not ask(server.url).made


def test_a_preview_is_part_of_the_job():
    with servers() as serve:
        server = serve()
        rows = [{"id": f"p{i}", "problem": f"What is {i}+{i}?", "answer": str(2 * i)} for i in range(9)]
        words = {"teacher": "openai", "base_url": server.url, "model": "m", "samples": 1}
        answers, forecast = f.preview(rows, 4, **words)
        assert answers.height == 4 and "verdict" in answers.columns and forecast.requests == 9
        assert len(f.generate(rows, **words)) == 9 and server.get("stats")["asked"] == 9


def test_a_spent_budget_is_the_same_error_inside_a_loop():
    async def cell(url):
        return ask(url, max_tokens_total=1)

    with servers() as serve, pytest.raises(Stopped):
        asyncio.run(cell(serve().url))


def test_ctrl_c_inside_a_running_loop_ends_the_work_first():
    """By event: the coroutine says when it has begun and when it was cancelled. The loop is run as a notebook's is."""
    begun, ended = threading.Event(), threading.Event()

    async def work():
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            ended.set()

    def interrupt():
        begun.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    async def cell():
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run_async(work())
        return ended.is_set()

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(cell())
    finally:
        loop.close()


def test_what_a_coroutine_raises_comes_through():
    async def fails():
        raise Stopped("spent")

    async def cell():
        run_async(fails())

    with pytest.raises(Stopped, match="spent"):
        asyncio.run(cell())
    with pytest.raises(Stopped, match="spent"):
        run_async(fails())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: f.dedup(ROWS, treshold=0.7), "did you mean threshold?"),
        (lambda: f.dedup(ROWS, threshold=7), "threshold: "),
        (lambda: f.dedup([]), "no rows"),
        (lambda: f.dedup(3), "cannot take rows from int"),
        (lambda: f.dedup("absent.jsonl"), "absent.jsonl"),
        (lambda: f.verify([{"problem": "x"}]), "no column with a gold answer"),
        (lambda: f.decontaminate(ROWS, "aime24x"), "aime24"),
        (lambda: f.open_run(), "run"),
        (lambda: f.export("nowhere", "verl"), "holds no training set"),
    ],
)
def test_mistakes_are_one_line(call, said):
    with pytest.raises(UsageError) as error:
        call()
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_name_that_is_not_there_names_those_that_are():
    with pytest.raises(AttributeError, match="import_"):
        f.imports
    assert {"verify", "dedup", "generate"} <= set(dir(f))


def test_import_loads_nothing_else():
    code = "import sys, factory; print([n for n in ('polars', 'pydantic', 'click', 'torch') if n in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_a_run_is_opened(tmp_path):
    write_set(tmp_path / "runs" / "one" / "datasets" / "sft", "sft")
    run = f.open_run()
    assert list(run.sets) == ["sft"] and len(run.sets["sft"]) == 10 and "sft 10" in repr(run)
    assert run.sets["sft"].rows.height == 10
