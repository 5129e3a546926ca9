"""`factory benchmarks`: list the benchmark indexes, or build some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.show import say, show


def command(
    words: Annotated[
        list[str],
        Flag(
            "Nothing lists the indexes; `build` and files make some.", words=True, metavar="[build PATH...]"
        ),
    ] = [],  # noqa: B006
    out: Annotated[Path | None, Flag("Folder for the indexes that are built.")] = None,
    facts: Annotated[
        Path | None, Flag("JSON of {benchmark: {licence, revision, source}} to write into the indexes.")
    ] = None,
    embedding: Annotated[
        str | None, Flag("Folder or Hub id of a sentence-embedding model whose vectors the indexes hold.")
    ] = None,
) -> None:
    """List the shipped benchmark indexes, or build indexes of data files: salted hashes, no plain text.

    factory benchmarks build my_tests.jsonl --out indexes
    """
    from factory.errors import UsageError

    if not words:
        _list()
        return
    if words[0] != "build" or len(words) < 2 or out is None:
        raise UsageError(
            "unknown form", do="factory benchmarks, or: factory benchmarks build PATH... --out FOLDER"
        )
    from factory.decontamination.embedding import open_encoder
    from factory.decontamination.load import build_indexes

    encoder = open_encoder(embedding) if embedding else None
    for benchmark in build_indexes(words[1:], out, facts, encoder):
        say(f"{benchmark.name}: {len(benchmark.ids):,} problems")
    say(f"indexes in {out}")


def _list() -> None:
    from factory.decontamination.index import read_facts
    from factory.decontamination.load import SETS, shipped

    facts = map(read_facts, shipped().values())
    rows = [(f["name"], f"{f['rows']:,}", f.get("licence", "-"), f.get("source", "-")) for f in facts]
    show("benchmark indexes", ("name", ">rows", "licence", "source"), rows)
    for name, members in SETS.items():
        say(f"{name}: {', '.join(members)}")
