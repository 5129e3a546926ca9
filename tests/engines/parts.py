"""A folder of parts, a cheap step over it, and the bytes of a folder."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.run.parts import iter_part, part_paths
from factory.run.step import Step
from factory.run.tables import dropped_rows
from schemas import PROBLEM

STEP = "sieve"


def write_parts(folder, count, rows=50, words=40):
    """`count` parts of problems; one has no rows, one keeps none."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        size = 0 if number == 2 else rows
        ids = [number * rows + i for i in range(size)]
        frame = pl.DataFrame(
            {
                "id": [f"p{i:06d}" for i in ids],
                "problem": [f"What is {i} + {number}? " + f"w{i % 7} " * words for i in ids],
                "answer": [str(i + number) for i in ids],
                "source": ["here"] * size,
                "extra": [i * 0.5 for i in ids],
            },
            schema={
                "id": pl.String,
                "problem": pl.String,
                "answer": pl.String,
                "source": pl.String,
                "extra": pl.Float64,
            },
        )
        frame.write_parquet(folder / f"part-{number:05d}.parquet")
    return folder


def sieve(every, path, part):
    """Drop the rows whose number divides by `every`, and all of part 3."""
    total = 0
    for rows in iter_part(path, 20):
        number = rows["id"].str.slice(1).cast(pl.Int64)
        lost = (number % every == 0) | (path.name == "part-00003.parquet")
        part.keep(rows.filter(~lost))
        part.drop(dropped_rows(rows.filter(lost), step=STEP, reason="divides"))
        total += int(number.sum())
    part.aside("sums", pl.DataFrame({"total": [total]}))
    return {"total": total}


def slow_sieve(marks, seconds, every, path, part):
    """The same, with a note of who works on what, since when."""
    (Path(marks) / f"{path.stem}.{os.getpid()}.{time.time_ns()}").touch()
    time.sleep(seconds)
    return sieve(every, path, part)


def broken(path, part):
    for rows in iter_part(path):
        part.keep(rows)
    if path.name == "part-00001.parquet":
        raise ValueError(f"cannot read {path.name}")
    return {}


@dataclass(frozen=True)
class Sums:
    total: int
    parts: int


def run(folder, out, work, *, engine=None, every=3):
    def make(writer):
        records = writer.map(work, part_paths(folder), engine=engine)
        asides = [pl.read_parquet(path)["total"][0] for path in writer.asides("sums")]
        assert asides == [each.notes["total"] for each in records]
        return Sums(sum(asides), len(asides))

    step = Step(STEP, out, Sums, settings={"every": every}, inputs={"rows": "x"}, schema=PROBLEM)
    return step.run(make).manifest


def contents(folder):
    """Digest of every file below, the manifest's clock and the seal over it left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "_manifest.json":
                clocks = (b"finished_at", b'"seconds"', b"memory_gib", b'"seal"')
                data = b"\n".join(line for line in data.split(b"\n") if not any(c in line for c in clocks))
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def one_slow(marks, others, path, part):
    """The sieve by threes; the first part takes until the others are done, and each leaves a note when it is done."""
    until = time.monotonic() + 60
    while path.name == "part-00000.parquet" and len(list(Path(marks).iterdir())) < others:
        assert time.monotonic() < until, "the others wait for the slow one"
        time.sleep(0.02)
    notes = sieve(3, path, part)
    (Path(marks) / f"{path.stem}.{os.getpid()}.{time.time_ns()}").touch()
    return notes
