"""Croissant 1.1 metadata (mlcommons.org/croissant/1.1) of a release: files with checksums, tables with their columns."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.atomic import digest
from factory.config.load import load_recipe
from factory.publishing.card import USES
from factory.publishing.run_sql import manifests
from factory.run.layout import RunLayout
from schemas import COMPLETION, DROPPED, PREFERENCE, RL_PROMPT, VERDICT, TableSchema

HUB = "https://huggingface.co"
REPOSITORY = "repo"
PARQUET = "application/x-parquet"
SCHEMAS: dict[str, TableSchema] = {
    "midtrain": COMPLETION,
    "sft": COMPLETION,
    "preference": PREFERENCE,
    "rl": RL_PROMPT,
    "rollouts": VERDICT,
    "dropped": DROPPED,
}
"""The table of each published configuration."""


def build_croissant(
    run: Path,
    folder: Path,
    configs: dict[str, list[Path]],
    digests: dict[Path, str],
    *,
    repo: str | None = None,
) -> dict[str, Any]:
    """The metadata of a release as JSON-LD.

    Args:
        run: the run, for name and description.
        folder: the release folder; file paths are relative to it.
        configs: configuration to its shards.
        digests: SHA-256 of every shard.
        repo: the Hub repository.
    """
    recipe = load_recipe(RunLayout(run).recipe)
    name = repo or f"OWNER/{recipe.name}"
    data = digest([digests[path] for shards in configs.values() for path in shards])
    distribution = [_repository(name)]
    for config, shards in configs.items():
        distribution += [_file_set(config), *(_file(path, folder, digests[path]) for path in shards)]
    records = [_record_set(config, pq.read_schema(shards[0])) for config, shards in configs.items()]
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": recipe.name,
        "description": recipe.description.strip() or f"Chain-of-thought data of the recipe {recipe.name}.",
        "url": f"{HUB}/datasets/{name}",
        "license": _licences(configs),
        "version": f"1.0.0+{data[:12]}",
        "datePublished": max(manifest["finished_at"] for _, manifest in manifests(run))[:10],
        "citeAs": f"@misc{{{recipe.name}, title={{{recipe.name}}}, howpublished={{{HUB}/datasets/{name}}}}}",
        "distribution": distribution,
        "recordSet": records,
    }


def _context() -> dict[str, Any]:
    """The JSON-LD context that the Croissant specification gives."""
    context: dict[str, Any] = json.loads(
        resources.files("data_cards").joinpath("croissant_context.json").read_text("utf-8")
    )
    return context


def _licences(configs: dict[str, list[Path]]) -> list[str]:
    """Every licence that a row of a training set states."""
    shards = [path for paths in configs.values() for path in paths if "licence" in pq.read_schema(path).names]
    stated = pl.scan_parquet(shards, missing_columns="insert", extra_columns="ignore").select("licence")
    return sorted(stated.unique().collect()["licence"].drop_nulls()) or ["unknown"]


def _node(kind: str, name: str, **facts: Any) -> dict[str, Any]:
    return {"@type": f"cr:{kind}", "@id": name, "name": name, **facts}


def _repository(name: str) -> dict[str, Any]:
    return _node(
        "FileObject",
        REPOSITORY,
        description="The Hub repository.",
        contentUrl=f"{HUB}/datasets/{name}",
        encodingFormat="git+https",
        # The specification asks for a checksum; for a repository it takes this link in its place.
        sha256="https://github.com/mlcommons/croissant/issues/80",
    )


def _file(path: Path, folder: Path, sha256: str) -> dict[str, Any]:
    name = str(path.relative_to(folder))
    place = {"contentUrl": name, "containedIn": {"@id": REPOSITORY}, "encodingFormat": PARQUET}
    return _node("FileObject", name, **place, contentSize=f"{path.stat().st_size} B", sha256=sha256)


def _file_set(config: str) -> dict[str, Any]:
    place = {"containedIn": {"@id": REPOSITORY}, "encodingFormat": PARQUET}
    return _node("FileSet", f"{config}-files", **place, includes=f"{config}/train-*.parquet")


def _record_set(config: str, schema: pa.Schema) -> dict[str, Any]:
    docs = {column.name: column.doc for column in SCHEMAS[config].columns}
    fields = [_field(config, field.name, field.type, docs.get(field.name, "")) for field in schema]
    return _node("RecordSet", config, description=USES.get(config, ""), field=fields)


def _field(config: str, name: str, kind: pa.DataType, doc: str) -> dict[str, Any]:
    """One column. A list of messages is a repeated field whose parts are taken out by JSON path."""
    place = f"{config}/{name}"
    field = _node("Field", place, description=doc)
    source = {"fileSet": {"@id": f"{config}-files"}, "extract": {"column": name}}
    inner = kind.value_type if pa.types.is_list(kind) else kind
    if pa.types.is_list(kind):
        field |= {"isArray": True, "arrayShape": "-1"}
    if not pa.types.is_struct(inner):
        return field | {"dataType": _data_type(inner), "source": source}
    parts = []
    for part in inner:
        taken = source | {"transform": {"jsonPath": f"[*].{part.name}"}}
        parts.append(_node("Field", f"{place}/{part.name}", dataType=_data_type(part.type), source=taken))
    return field | {"subField": parts}


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "cr:Int64" if kind.bit_width == 64 else "cr:Int32"
    if pa.types.is_floating(kind):
        return "cr:Float64"
    return "sc:Text"
