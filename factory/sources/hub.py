"""Rows from the Hugging Face Hub: `hf://datasets/OWNER/NAME[/FILE][?split=train&config=main&revision=...]`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import atomic_path, digest
from factory.errors import UsageError
from factory.sources.spec import SourceSpec, parse_spec

PREFIX = "hf://datasets/"
KEYS = ("split", "config", "revision")
READERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}


def read_hub(text: str, *, limit: int | None = None) -> tuple[pl.DataFrame, str]:
    """Rows of a data set on the Hub, and its name `OWNER/NAME`.

    No code of the data set is run; the revision is the default branch's unless the spec pins one.

    Raises:
        UsageError: `datasets` is missing, the spec is malformed, or the Hub has no such data.
    """
    try:
        import datasets
    except ImportError as error:
        raise UsageError(f"{text}: datasets is not installed", do="pip install 'cot-factory[hub]'") from error
    spec = parse_spec(text)
    spec.check_keys(KEYS)
    parts = text.partition("?")[0].removeprefix(PREFIX).split("/")
    if not text.startswith(PREFIX) or len(parts) < 2 or not all(parts):
        raise UsageError(f"{text} is not of the form {PREFIX}OWNER/NAME[/FILE]")
    name = "/".join(parts[:2])
    try:
        loaded = datasets.load_dataset(**_arguments(spec, name, "/".join(parts[2:])))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"cannot load {text}: {reason}") from error
    return table_of(loaded, text, limit), name


@cache
def hub_file(text: str) -> Path:
    """The rows of `read_hub` as a Parquet file in the cache of `datasets`, written once per process."""
    rows, name = read_hub(text)
    import datasets

    folder = Path(datasets.config.HF_DATASETS_CACHE) / "cot-factory"
    path = folder / f"{name.replace('/', '--')}-{digest(text)[:12]}.parquet"
    with atomic_path(path) as temporary:
        rows.write_parquet(temporary)
    return path


def table_of(loaded: Any, text: str, limit: int | None) -> pl.DataFrame:
    """The rows of a loaded data set; of several splits, `train`.

    Raises:
        UsageError: several splits and none is `train`.
    """
    if isinstance(loaded, dict):
        if len(loaded) > 1 and "train" not in loaded:
            raise UsageError(f"{text} has the splits {', '.join(loaded)}", do="choose one with ?split=")
        loaded = loaded.get("train") or next(iter(loaded.values()))
    if limit is not None and limit < len(loaded):
        loaded = loaded.select(range(limit))
    frame = loaded.to_polars()
    assert isinstance(frame, pl.DataFrame)
    return frame


def _arguments(spec: SourceSpec, name: str, file: str) -> dict[str, Any]:
    split, revision = spec.settings.get("split"), spec.settings.get("revision")
    if not file:
        return {"path": name, "name": spec.settings.get("config"), "split": split, "revision": revision}
    reader = next((kind for suffix, kind in READERS.items() if suffix in file), None)
    if reader is None:
        raise UsageError(f"{spec.text}: {file} is not Parquet, JSONL or CSV")
    at = f"@{revision}" if revision else ""
    return {"path": reader, "data_files": f"{PREFIX}{name}{at}/{file}", "split": split}
