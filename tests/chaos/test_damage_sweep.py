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
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner

from factory.atomic import read_json
from factory.cli.main import build_app
from factory.config.recipe import Recipe
from factory.errors import FactoryError
from factory.pipeline.run import run_recipe
from factory.run.parts import read_parts
from factory.run.review import add_review
from factory.sampling.store.journal import ResponseStore, Stored, request_key, response_key

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
    "write-ahead file": ("store/responses.sqlite-wal",),
    "journal's seal": ("store/responses.sqlite.seal",),
}
STORE = ("store/responses.sqlite", "store/responses.sqlite-wal", "store/responses.sqlite.seal")
CHECKSUMS = ("_done.json", "review.jsonl.seal", "report.html")
"""Notes about other files: losing one is no loss while the others are as they were."""


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
        store = ResponseStore(at / name / "store")

        async def put(store, some):
            await asyncio.gather(*(store.put(each, WIRE, job="extra") for each in some))

        for some in (EXTRA[:3], EXTRA[3:]) if name == "now" else (EXTRA[:3],):
            asyncio.run(put(store, some))
        shutil.copytree(at / name, at / f"{name}-live")
        store.close()
    return at / "now-live", at / "earlier-live"


def damage(path, older, kind, draw):
    """Harm one file; False when that would change nothing."""
    data, times = path.read_bytes(), path.stat()
    if kind == "flip":
        bad = bytearray(data)
        bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
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
    """What a run hands out: every file of its own that is not the store, without the times in manifests."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_file() and path.name not in (".lock", *CHECKSUMS) and not name.startswith("store/"):
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
        return rows, store.spent("extra"), store.summary(), store.request(request_key(WIRE))


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
    if name in STORE:
        return store_rows(run)
    return (
        None if Path(name).name in CHECKSUMS else (run / name).read_bytes() if (run / name).exists() else ""
    )


def again(run, name):
    """`factory run`."""
    run_recipe(NOW, run)
    return run_bytes(run)


def next_verb(run, name):
    """What reads this file next: generate for the store, report for the recipe, why for the tables."""
    if name in STORE or name.endswith("_job.json"):
        if name in STORE:
            shutil.rmtree(run / "responses" / "teacher")
        run_recipe(NOW, run, until="generate")
        parts = sorted((run / "responses" / "teacher").glob("part-*"))
        return [part.read_bytes() for part in parts], store_rows(run)
    if name in ("recipe.yaml", "ledger.json"):
        return command("report", run, "--out", run / "r.html"), (run / "r.html").read_text()
    return command("why", ROW, "--run", run)


def sweep(victim, tmp_path, count, seed):
    """Damage after damage: how many of which command ended how, and what was silent."""
    (run, earlier), tries = victim, 0
    ends, silent, sound = Counter(), [], {}
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
        shutil.rmtree(tmp_path / "damaged", ignore_errors=True)
        shutil.copytree(run, tmp_path / "damaged")
        if not damage(tmp_path / "damaged" / name, earlier / name, kind, draw):
            continue
        done += 1
        for verb in (check, again, next_verb):
            if (verb, name) not in sound:
                sound[verb, name] = look(verb, name, None)[1]
            well, handed, said = look(verb, name, kind)
            named = name.removesuffix("-wal").removesuffix(".seal") in said + str(handed)[:20_000]
            end = "named" if named else "as before" if well and handed == sound[verb, name] else "refused"
            if not named and ((well and end != "as before") or (verb is check and end == "refused")):
                end = "silent"
                silent.append((verb.__name__, what, kind, name, said[:300]))
            ends[verb.__name__, end] += 1
    return ends, silent


def test_a_sample_of_damages_is_never_silent(victim, tmp_path):
    """One of each class of files."""
    ends, silent = sweep(victim, tmp_path, count=len(CLASSES), seed=7)
    assert silent == []
    assert ends["check", "named"] > len(CLASSES) / 2


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(8))
def test_a_thousand_damages_none_silent(victim, tmp_path, seed):
    ends, silent = sweep(victim, tmp_path, count=125, seed=100 + seed)
    print({" ".join(each): number for each, number in sorted(ends.items())})
    assert silent == []
