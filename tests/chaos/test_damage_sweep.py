"""Damage to any file of a run is named, healed or harmless: never is anything else handed out in silence.

A small finished run is the victim, with review marks and a store whose last commits lie in its write-ahead file. One file
at a time gets a bit flipped, is truncated, emptied, deleted, or replaced by that of an earlier run; half of them keep
their modification time, as on a rotting disk. Then three commands look: `factory status --check`, `factory run` again, and
the verb that reads the file next. Silent is a command that ends well, does not name the file, and leaves or hands out
anything but the undamaged rows and bytes.
"""

import asyncio
import os
import random
import shutil
import sys
from collections import Counter
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from workers import leave

from factory.atomic import read_json
from factory.cli.main import build_app
from factory.config.recipe import Recipe
from factory.errors import FactoryError
from factory.pipeline.run import run_recipe
from factory.run.parts import finish_step, input_digest, read_parts
from factory.run.review import add_review
from factory.run.tables import file_facts
from factory.sampling.store.journal import ResponseStore, Stored, request_key, response_key
from factory.sampling.store.journals import journal_name
from factory.sampling.store.leases import Leases, progress
from factory.sampling.store.money import Money
from factory.sampling.store.worker_locks import take_seat
from train.stage import check_inputs, model_digest

SETTINGS = {
    "name": "victim",
    "problems": {
        "sources": ["procedural:modular_chain+linear_equation?count=16&seed=3&style=terse"],
        "held_out": 3,
    },
    "generate": {"teacher": "procedural", "samples": 2, "max_tokens": 1024, "slip_rate": 0.4},
    "train": None,
}
NOW, EARLIER = (Recipe.model_validate({**SETTINGS, "seed": seed}) for seed in (0, 1))
WIRE = {"messages": "what the wire carried"}
EXTRA = [
    Stored(
        response_key(request_key(WIRE), i), request_key(WIRE), i, "s", "m", "complete", 3, 7, 0.5, {"content": f"{i}"}
    )
    for i in range(6)
]  # fmt: skip
ROW = "p-f04ddecbea549d24"
KINDS = ("flip", "flip", "truncate", "empty", "delete", "older")
CLASSES = {
    "part": ("*/*/part-*.parquet", "datasets/*/*.parquet"),
    "dropped rows": ("*/*/__dropped/*.parquet",),
    "side table": ("*/*/__side/*.parquet", "*/*/__side/k*.json"),
    "manifest": ("*/*/_manifest.json",),
    "ledger": ("ledger.json",),
    "recipe": ("recipe.yaml",),
    "run state": ("_done.json", "*/*/__side/_job.json"),
    "review": ("review.jsonl", "review.jsonl.seal"),
    "journal": ("store/responses.sqlite",),
    "worker's journal": ("store/responses-00001.sqlite",),
    "broken attempts": ("store/responses.sqlite",),
    "requests in flight": ("store/responses.sqlite",),
    "workers' ledger": ("store/leases.sqlite",),
    "stage": ("train/base/final/*",),
    "write-ahead file": ("store/responses.sqlite-wal",),
    "journal's seal": ("store/responses.sqlite.seal",),
}
BROKEN = "the stream ended in the middle of the sweep's own attempt"
KILLED = "a job that was killed in the middle of the sweep"
NEAR = {"broken attempts": BROKEN, "requests in flight": KILLED}
"""What stands near the bytes that are flipped."""
LEDGER = "store/leases.sqlite"
STAGE = "train/base/final"
CHECKSUMS = ("_done.json", "review.jsonl.seal", "report.html")
"""Notes about other files: losing one is no loss while the others are as they were."""


WORKERS = [
    Stored(response_key("b" * 64, i), "b" * 64, i, "s", "m", "complete", 3, 7, 1.5, {"content": f"{i}"}) for i in range(3)
]  # fmt: skip


def broken(stored):
    """An attempt for this response, of which only the cost is kept."""
    return replace(stored, status="failed", usd=0.25, body={"error": BROKEN})


def ledger_of(run, store, number):
    """A worker's access to the ledger of its job."""
    seat = take_seat(run / "store", journal_name(number))
    cap, booked = Money(10.0, 1e9), lambda name: store.spent("spread", name)
    return Leases(run / "store", "spread", journal_name(number), seat, cap, booked)


def write_stage(folder, seed):
    """A finished stage as `train.stage.close` leaves it, with small weights."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(random.Random(seed).randbytes(4_096))
    (folder / "config.json").write_text('{"model_type": "qwen3", "hidden_size": 32}')
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"vocab": {"a": 0}}}')
    finish_step(
        folder,
        "train-base",
        "k",
        settings={"seed": seed},
        inputs={},
        read={},
        rows_out=0,
        dropped={},
        totals={"loss": 2.5},
        files={path.name: file_facts(path) for path in folder.iterdir()},
        output_digest=model_digest(folder),
    )


@pytest.fixture(scope="module", autouse=True)
def without_pictures():
    """Pictures are drawn from the numbers of the report's tables, and take most of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factory.report.svg.can_draw", lambda: False)
        yield


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """The run, and an earlier one with other rows under the same names."""
    at = tmp_path_factory.mktemp("victim")
    for name, recipe in (("now", NOW), ("earlier", EARLIER)):
        run_recipe(recipe, at / name)
        ids = read_parts(at / name / "verdicts" / "labelled")["problem_id"].unique(maintain_order=True)
        for number, row_id in enumerate(ids[:4]):
            add_review(at / name, row_id, "reject" if number % 2 else "note", "looked at")
            if name == "earlier" and number == 1:
                break
        run_recipe(recipe, at / name)
        with ResponseStore(at / name / "store") as store:
            store.submit(broken(EXTRA[0]), job="extra", broken=True).result()
            for number in range(6 if name == "now" else 5):
                store.sent(response_key("c" * 64, number), KILLED, Money(0.25, 7)).result()
        store = ResponseStore(at / name / "store")

        async def put(store, some):
            await asyncio.gather(*(store.put(each, WIRE, job="extra") for each in some))

        for some in (EXTRA[:3], EXTRA[3:]) if name == "now" else (EXTRA[:3],):
            asyncio.run(put(store, some))
        with ResponseStore(at / name / "store", journal_name(1)) as own:
            for each in WORKERS[: 3 if name == "now" else 2]:
                own.submit(each, job="spread").result()
            ledger = ledger_of(at / name, own, 1)
            ledger.take([0.001], [(1.0,)], [0.0])
            ledger.leave(Money(*own.spent("spread")), 2)
        write_stage(at / name / STAGE, seed=name)
        run_recipe(recipe, at / name)
        shutil.copytree(at / name, at / f"{name}-live")
        store.close()
    return at / "now-live", at / "earlier-live"


def damage(path, older, kind, draw, near=b""):
    """Harm one file, by a flip within `near` and 40 bytes before; False when that would change nothing."""
    data, times = path.read_bytes(), path.stat()
    if kind == "flip":
        bad = bytearray(data)
        begin = data.index(near) - 40 if near else 0
        bad[draw.randrange(begin, begin + 40 + len(near) if near else len(bad))] ^= 1 << draw.randrange(8)
        path.write_bytes(bad)
    elif kind == "truncate":
        path.write_bytes(data[: draw.randrange(len(data))])
    elif kind == "older":
        if not older.exists() or older.read_bytes() == data:
            return False
        shutil.copy(older, path)
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        return True
    if draw.random() < 0.5:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path.read_bytes() != data


def run_bytes(run):
    """What a run hands out: every file of its own that is not the store, without the times in manifests.

    Stages are left out: this recipe trains nothing, so the run makes none again.
    """
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if (
            path.is_file()
            and path.name not in (".lock", *CHECKSUMS)
            and not name.startswith(("store/", "train/"))
        ):
            manifest = path.parent / "_manifest.json"
            if not manifest.exists():
                found[name] = path.read_bytes()
            elif path != manifest:
                # A step that was made again has other clock columns; `output_digest` leaves them out.
                found[name] = read_json(manifest)["output_digest"]
    return found


def store_rows(run):
    """What a store hands out."""
    with ResponseStore(run / "store") as store:
        keys = sorted(store.keys())
        rows = {each.key: each for each in store.get_many(keys)}
        costs = store.spent("extra"), store.spent("spread"), store.attempts(), store.spent(KILLED)
        return rows, costs, store.summary(), store.request(request_key(WIRE))


def ledger_rows(run):
    """What the ledger grants another worker, and then says of the job. A lost one is made again from the journals."""
    with ResponseStore(run / "store", journal_name(2)) as store:
        ledger = ledger_of(run, store, 2)
        granted = ledger.extend(Money(0, 0), Money(0, 0), Money(0.1, 1), Money(9, 9), 0)
        ledger.leave(Money(0, 0), 0)
    return granted, progress(run / "store", "spread")[1:]


def command(*words):
    """What a verb prints; what it says on standard error goes where the caller listens."""
    done = CliRunner().invoke(build_app((words[0],)), list(map(str, words)))
    if isinstance(done.exception, FactoryError):
        raise done.exception
    assert done.exception is None, done.exception
    sys.stderr.write(done.stderr)
    return done.stdout


def check(run, name):
    """`factory status --check`; what is there to be handed out afterwards."""
    command("status", run, "--check")
    if name.startswith("store/"):
        return ledger_rows(run) if name == LEDGER else store_rows(run)
    return (
        None if Path(name).name in CHECKSUMS else (run / name).read_bytes() if (run / name).exists() else ""
    )


def again(run, name):
    """`factory run`."""
    run_recipe(NOW, run)
    return run_bytes(run)


def next_verb(run, name):
    """What reads this file next: generate for the store, report for the recipe, why for the tables."""
    if name.startswith(STAGE):
        check_inputs(
            SimpleNamespace(folders={"model": run / STAGE}, inputs={"model": input_digest(run / STAGE)})
        )
        return [
            path.read_bytes() for path in sorted((run / STAGE).iterdir()) if path.name != "_manifest.json"
        ]
    if name == LEDGER:
        return ledger_rows(run)
    if name.startswith("store/") or name.endswith("_job.json"):
        if name.startswith("store/"):
            shutil.rmtree(run / "responses" / "teacher")
        run_recipe(NOW, run, until="generate")
        parts = sorted((run / "responses" / "teacher").glob("part-*"))
        return [part.read_bytes() for part in parts], store_rows(run)
    if name in ("recipe.yaml", "ledger.json"):
        return command("report", run, "--out", run / "r.html"), (run / "r.html").read_text()
    return command("why", ROW, "--run", run)


def sweep(victim, tmp_path, count, seed):
    """Damage after damage: what was damaged, how often which command ended how, and what was silent."""
    (run, earlier), tries = victim, 0
    figures = {name: Counter() for name in ("files", "kinds", "check", "again", "next_verb")}
    silent, sound = [], {}
    here = tmp_path / "run"

    def look(verb, name, kind):
        """One command on a fresh copy of the run with its damage."""
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(tmp_path / "damaged" if kind else run, here)
        with redirect_stderr(StringIO()) as said:
            try:
                return True, verb(here, name), said.getvalue()
            except FactoryError as error:
                return False, None, f"{error}\n{said.getvalue()}"

    done = 0
    while done < count:
        what, draw = list(CLASSES)[done % len(CLASSES)], random.Random(f"{seed} {done} {tries}")
        tries += 1
        names = sorted(str(p.relative_to(run)) for each in CLASSES[what] for p in run.glob(each))
        name, kind = draw.choice(names), draw.choice(KINDS)
        near = NEAR.get(what, "").encode()
        kind = "flip" if near else kind
        shutil.rmtree(tmp_path / "damaged", ignore_errors=True)
        shutil.copytree(run, tmp_path / "damaged")
        if not damage(tmp_path / "damaged" / name, earlier / name, kind, draw, near):
            continue
        done += 1
        figures["files"][what] += 1
        figures["kinds"][kind] += 1
        for verb in (check, again, next_verb):
            if (verb, name) not in sound:
                sound[verb, name] = look(verb, name, None)[1]
            well, handed, said = look(verb, name, kind)
            named = name.removesuffix("-wal").removesuffix(".seal") in said + str(handed)[:20_000]
            end = "named" if named else "as before" if well and handed == sound[verb, name] else "refused"
            if not named and ((well and end != "as before") or (verb is check and end == "refused")):
                end = "silent"
                silent.append((verb.__name__, what, kind, name, said[:300]))
            figures[verb.__name__][end] += 1
    return figures, silent


def test_a_sample_of_damages_is_never_silent(victim, tmp_path):
    """One of each class of files."""
    figures, silent = sweep(victim, tmp_path, count=len(CLASSES), seed=7)
    assert silent == []
    assert figures["check"]["named"] > len(CLASSES) / 2


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(300, 308))
def test_a_thousand_damages_none_silent(victim, tmp_path, seed):
    figures, silent = sweep(victim, tmp_path, count=125, seed=seed)
    leave(figures)
    assert silent == []
