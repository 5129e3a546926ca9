"""Batch API, replay, and servers that we start ourselves."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import polars as pl
import pytest

from factory.config.generate import GenerateSection
from factory.errors import FactoryError, UsageError
from factory.run.parts import read_parts
from factory.run.step_writer import StepWriter
from factory.sampling import SamplingParams, open_sampler, sample_problems
from factory.sampling.serving import free_port, server_command, serving
from factory.steps import generate as step
from schemas import PROBLEM

SERVER = Path(__file__).parents[1] / "servers" / "fault_server.py"
PARAMS = SamplingParams(max_tokens=64, seed=1)


def batch(server, store, **options):
    return open_sampler(
        "vllm",
        base_url=server.url,
        model="m",
        batches=store / "batches",
        poll_seconds=0.02,
        price=(1.0, 2.0),
        **options,
    )


def test_a_batch_is_submitted_waited_for_and_read_at_half_price(serve, problems, tmp_path):
    server = serve()
    store = tmp_path / "s"
    rows = sample_problems(problems(4), batch(server, store), 3, PARAMS, prompt="{problem}", store=store)
    assert set(rows["status"]) == {"complete"}
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == 12
    streamed = open_sampler("vllm", base_url=server.url, model="m", price=(1.0, 2.0))
    again = sample_problems(problems(4), streamed, 3, PARAMS, prompt="{problem}", store=store)
    assert server.get("stats")["asked"] == 12, "streaming finds what the batch bought"
    assert again.equals(rows)
    dear = sample_problems(problems(4), streamed, 3, PARAMS, prompt="{problem}", store=tmp_path / "other")
    assert rows["usd"].to_list() == pytest.approx((dear["usd"] / 2).to_list())
    assert rows["reasoning"].equals(dear["reasoning"])


def test_a_run_that_stops_while_it_waits_finds_its_batch_again(serve, problems, tmp_path, monkeypatch):
    server = serve()
    store = tmp_path / "s"
    sampler = batch(server, store)

    async def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(sampler), "_wait", stopped)
    with pytest.raises(KeyboardInterrupt):
        sample_problems(problems(4), sampler, 2, PARAMS, prompt="{problem}", store=store)
    assert len(list((store / "batches").glob("batch-*.json"))) == 1
    monkeypatch.undo()
    # More problems than before: the old batch is read, only the rest is submitted.
    rows = sample_problems(problems(6), batch(server, store), 2, PARAMS, prompt="{problem}", store=store)
    assert rows.height == 12
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == 12


KILLED = """
import os, sys
import polars as pl
from factory.sampling import SamplingParams, batch, open_sampler, sample_problems

stage, url, store = sys.argv[1:]
if stage == "intent":
    write = batch.write_json

    def noted(*words):
        write(*words)
        os._exit(9)

    batch.write_json = noted
else:
    from openai.resources import batches, files

    of = files.AsyncFiles if stage == "file" else batches.AsyncBatches
    create = of.create

    async def created(self, **words):
        await create(self, **words)
        os._exit(9)

    of.create = created
from pathlib import Path
sampler = open_sampler("vllm", base_url=url, model="m", batches=Path(store) / "batches", poll_seconds=0.02)
problems = pl.DataFrame({"id": [f"q{i}" for i in range(4)], "problem": [f"What is {i} + {i}?" for i in range(4)]})
problems = problems.with_columns(answer=pl.lit("0"), source=pl.lit("test"))
sample_problems(problems, sampler, 2, SamplingParams(max_tokens=64, seed=1), prompt="{problem}", store=Path(store))
"""


@pytest.mark.parametrize("stage", ["intent", "file", "order"])
def test_a_kill_between_the_intent_and_its_confirmation_orders_nothing_twice(
    serve, problems, tmp_path, stage
):
    server, store = serve(), tmp_path / "s"
    for _kill in range(2):
        died = subprocess.run([sys.executable, "-c", KILLED, stage, server.url, str(store)], check=False)
        if stage == "order" and _kill:
            assert died.returncode == 0, "the order of the first life was found"
            break
        assert died.returncode == 9
        notes = [json.loads(path.read_text()) for path in (store / "batches").glob("batch-*.json")]
        assert [note["batch"] for note in notes] == [None], "the intent is on the disk, not yet the order"
    rows = sample_problems(problems(4), batch(server, store), 2, PARAMS, prompt="{problem}", store=store)
    assert set(rows["status"]) == {"complete"}
    with urllib.request.urlopen(f"{server.url}/batches", timeout=20) as reply:
        assert len(json.load(reply)["data"]) == 1
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == 8


@pytest.mark.parametrize("broken", ["unlisted", "500"])
def test_an_order_whose_reply_was_lost_is_looked_for_and_not_made_again(
    serve, problems, tmp_path, monkeypatch, broken
):
    """The provider took the order and said nothing, or an error; and lists it late."""
    import httpx
    from openai import APIConnectionError, InternalServerError
    from openai.resources.batches import AsyncBatches

    server, store, made = serve(), tmp_path / "s", AsyncBatches.create
    request = httpx.Request("POST", server.url)

    async def lost(self, **words):
        await made(self, **words)
        assert self._client.max_retries == 0, "the client would order again"
        if broken == "500":
            raise InternalServerError("late", response=httpx.Response(500, request=request), body=None)
        raise APIConnectionError(request=request)

    monkeypatch.setattr(AsyncBatches, "create", lost)
    ask = {"prompt": "{problem}", "store": store}
    with pytest.raises(FactoryError) as told:
        sample_problems(problems(4), batch(server, store), 2, PARAMS, **ask)
    assert type(told.value) is FactoryError, "a fault of the provider is no wrong usage"
    monkeypatch.setattr(AsyncBatches, "create", made)
    looks, listed = [], AsyncBatches.list

    async def nothing():
        for each in ():
            yield each

    def late(self, **words):
        looks.append(words)
        return listed(self, **words) if len(looks) > 3 else nothing()

    monkeypatch.setattr(AsyncBatches, "list", late)
    rows = sample_problems(problems(4), batch(server, store), 2, PARAMS, **ask)
    assert (rows.height, len(looks)) == (8, 4)
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == 8


def test_a_provider_without_batches_is_one_line(problems, tmp_path):
    class Nowhere:
        url = "http://127.0.0.1:9/v1"

    with pytest.raises(FactoryError, match="cannot reach the Batch API"):
        sample_problems(
            problems(1), batch(Nowhere, tmp_path / "s"), 1, PARAMS, prompt="{problem}", store=tmp_path / "s"
        )


def test_replay_gives_what_was_recorded(serve, problems, tmp_path):
    teacher = open_sampler("vllm", base_url=serve().url, model="m")
    recorded = sample_problems(problems(5), teacher, 2, PARAMS, prompt="{problem}", store=tmp_path / "s")
    recorded.write_parquet(tmp_path / "recorded.parquet")
    replay = open_sampler("replay", model=str(tmp_path / "recorded.parquet"))
    rows = sample_problems(problems(6), replay, 3, PARAMS, prompt="{problem}", store=tmp_path / "r")
    there = rows.filter((pl.col("sample_index") < 2) & (pl.col("problem_id") != "q5"))
    columns = ["problem_id", "sample_index", "reasoning", "content", "status", "completion_tokens"]
    assert there.select(columns).equals(recorded.select(columns))
    rest = rows.filter(pl.col("status") == "failed")
    assert rest.height == 5 + 3
    assert rest["error"].str.contains("recorded").all()
    with pytest.raises(UsageError, match="holds no recorded"):
        open_sampler("replay", model=str(tmp_path / "nothing"))


def fake_engine(port, *_):
    code = f"import asyncio, sys; sys.path.insert(0, {str(SERVER.parent)!r}); import fault_server as f\n"
    code += "async def main():\n    s = f.Server({})\n    loop = asyncio.get_running_loop()\n"
    code += f"    l = await loop.create_server(lambda: f.Connection(s), '127.0.0.1', {port})\n    await l.serve_forever()\n"
    code += "asyncio.run(main())"
    return [sys.executable, "-c", code]


def test_serve_starts_a_server_uses_it_and_stops_it(problems, tmp_path, monkeypatch):
    asked = []

    def command(engine, model, port, python=None):
        asked.append((engine, model, port))
        return fake_engine(port)

    monkeypatch.setattr("factory.sampling.serving.server_command", command)
    with StepWriter(tmp_path / "p", "problems", PROBLEM) as writer:
        writer.keep(problems(3))
        writer.finish(rows_in=3)
    section = GenerateSection(
        teacher="vllm", serve="some/model", prompt="{problem}", samples=2, max_tokens=30
    )
    step.run(tmp_path / "p", tmp_path / "o", section, store=tmp_path / "s", seed=0)
    rows = read_parts(tmp_path / "o")
    assert rows.height == 6
    assert set(rows["model"]) == {"some/model"}
    assert asked[0][:2] == ("vllm", "some/model")
    import socket

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", asked[0][2])) != 0, "the server is gone"


def test_a_server_that_dies_is_quoted():
    dying = [sys.executable, "-c", "import sys; print('CUDA out of memory', file=sys.stderr); sys.exit(7)"]
    with pytest.raises(FactoryError, match="code 7: CUDA out of memory"), serving(dying, free_port()):
        pass


def test_a_server_that_dies_while_it_is_used_is_quoted():
    dying = [
        sys.executable,
        "-c",
        "import http.server as h, sys, threading, time, os\n"
        "s = h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler)\n"
        "s.RequestHandlerClass.do_GET = lambda r: (r.send_response(200), r.end_headers())\n"
        "threading.Timer(1, lambda: (print('RuntimeError: out of luck', flush=True), os._exit(1))).start()\n"
        "s.serve_forever()",
    ]
    port = free_port()
    with (
        pytest.raises(FactoryError, match="ended while it was in use: RuntimeError: out of luck"),
        serving([*dying, str(port)], port),
    ):
        time.sleep(2)
        raise FactoryError("cannot reach it")


def test_workers_that_outlive_the_server_are_stopped(tmp_path):
    note = tmp_path / "worker"
    leader = [
        sys.executable,
        "-c",
        "import http.server as h, subprocess, sys\n"
        "w = subprocess.Popen(['sleep', '60'])\n"
        "open(sys.argv[2], 'w').write(str(w.pid))\n"
        "s = h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler)\n"
        "s.RequestHandlerClass.do_GET = lambda r: (r.send_response(200), r.end_headers())\n"
        "s.serve_forever()",
    ]
    port = free_port()
    with serving([*leader, str(port), str(note)], port):
        worker = int(note.read_text())
        os.kill(worker, 0)
    until = time.monotonic() + 5
    while time.monotonic() < until and (Path("/proc") / str(worker)).exists():
        time.sleep(0.05)
    assert not (Path("/proc") / str(worker)).exists()


def test_a_server_that_never_answers_is_given_up():
    with (
        pytest.raises(FactoryError, match="did not answer"),
        serving(["sleep", "60"], free_port(), ready_seconds=0.6),
    ):
        pass


def test_commands_listen_on_loopback_only():
    for engine in ("vllm", "sglang"):
        command = server_command(engine, "m", 1234)
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert "trust" not in " ".join(command)


def test_vllm_offline_without_vllm_is_one_line():
    with pytest.raises(UsageError, match="vllm is not installed"):
        open_sampler("vllm-offline", model="m")


def test_words_of_vllms_command_line_reach_the_offline_engine():
    from factory.sampling.vllm_engine import engine_options

    words = [
        "--tensor-parallel-size",
        "8",
        "--enforce-eager",
        "--dtype=bfloat16",
        "--rope-scaling",
        '{"a": 1}',
    ]
    assert engine_options(words) == {
        "tensor_parallel_size": 8,
        "enforce_eager": True,
        "dtype": "bfloat16",
        "rope_scaling": {"a": 1},
    }
    with pytest.raises(UsageError, match="belongs to no option"):
        engine_options(["8"])
