"""Croissant 1.1 metadata (mlcommons.org/croissant/1.1) of a release: files with checksums, tables with their columns.

Beside them stand the terms of Croissant RAI 1.0 (mlcommons.org/croissant/RAI/1.0) and of W3C PROV-O, as the section
"Responsible AI and Governance" of the specification recommends: which models and sources, by which steps, and when.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.atomic import digest
from factory.publishing.answers import TO_FILL
from factory.publishing.card import USES
from factory.publishing.licences import spdx_licence
from factory.publishing.provenance import Maker, Provenance
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
    facts: Provenance,
    answers: dict[str, str],
    folder: Path,
    configs: dict[str, list[Path]],
    digests: dict[Path, str],
    *,
    repo: str | None = None,
) -> dict[str, Any]:
    """The metadata of a release as JSON-LD.

    Args:
        facts: where the data comes from.
        answers: what its user knows of it.
        folder: the release folder; file paths are relative to it.
        configs: configuration to its shards.
        digests: SHA-256 of every shard.
        repo: the Hub repository.
    """
    recipe = facts.recipe
    name = repo or f"OWNER/{recipe.name}"
    distribution = [_repository(name)]
    for config, shards in configs.items():
        distribution += [_file_set(config), *(_file(path, folder, digests[path]) for path in shards)]
    records = [_record_set(config, pq.read_schema(shards[0])) for config, shards in configs.items()]
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": recipe.name,
        "description": described(facts),
        "url": f"{HUB}/datasets/{name}",
        "license": _licences(configs),
        "creator": {"@type": "sc:Organization", "name": answers["provider"]},
        **({"inLanguage": answers["languages"]} if answers["languages"] != TO_FILL else {}),
        "version": f"1.0.0+{data_digest(configs, digests)}",
        "dateCreated": facts.dates[0][:10],
        "datePublished": facts.dates[1][:10],
        "citeAs": f"@misc{{{recipe.name}, title={{{recipe.name}}}, howpublished={{{HUB}/datasets/{name}}}}}",
        **_responsible(facts, answers),
        **_provenance(facts),
        "distribution": distribution,
        "recordSet": records,
    }


def data_digest(configs: dict[str, list[Path]], digests: dict[Path, str]) -> str:
    """Twelve letters that are the same for the same data files."""
    return digest([digests[path] for shards in configs.values() for path in shards])[:12]


def described(facts: Provenance) -> str:
    """What the data set is, in the recipe's words where it has some."""
    return facts.recipe.description.strip() or f"Chain-of-thought data of the recipe {facts.recipe.name}."


def collected(facts: Provenance) -> str:
    """One sentence on how problems and texts came together."""
    sources = ", ".join(source.name for source in facts.sources) or "no named source"
    texts = "; ".join(f"{model.texts} by {model.name} ({model.maker.value})" for model in facts.models)
    return f"Problems from {sources}. Texts: {texts or 'none'}."


def processed(facts: Provenance) -> list[str]:
    """One line per step: rows in, out and dropped."""
    lines = []
    for step in facts.steps:
        dropped = ", ".join(f"{count} {reason}" for reason, count in step.dropped.items())
        lines.append(
            f"{step.name} ({step.folder}): {step.rows_in} rows in, {step.rows_out} out"
            + (f", dropped {dropped}" if dropped else "")
        )
    return lines


def _responsible(facts: Provenance, answers: dict[str, str]) -> dict[str, Any]:
    """The properties of Croissant RAI 1.0."""
    kinds = {"Software Collection"} if facts.by(Maker.CODE) or any(s.drawn for s in facts.sources) else set()
    kinds |= {"Web API"} if facts.by(Maker.ASKED) else set()
    kinds |= {"Secondary Data analysis"} if any(not source.drawn for source in facts.sources) else set()
    return {
        "rai:dataCollection": collected(facts),
        "rai:dataCollectionType": sorted(kinds),
        "rai:dataCollectionRawData": ", ".join(source.name for source in facts.sources),
        "rai:dataCollectionTimeframe": list(facts.dates),
        "rai:dataPreprocessingProtocol": processed(facts),
        "rai:dataAnnotationProtocol": f"Answers were verified by: {', '.join(facts.methods) or 'nothing'}.",
        "rai:machineAnnotationTools": [facts.software],
        "rai:dataUseCases": [f"{each.name}: {each.use}" for each in facts.sets],
        "rai:dataBiases": [answers["biases"]],
        "rai:dataSocialImpact": answers["social_impact"],
        "rai:personalSensitiveInformation": [answers["personal_information"]],
        "rai:dataReleaseMaintenancePlan": [answers["maintenance"]],
    }


def _provenance(facts: Provenance) -> dict[str, Any]:
    """The terms of PROV-O: entities from which the data derives, activities that made it, agents behind it."""
    software = {
        "@type": "prov:SoftwareAgent",
        "@id": "urn:cot-factory:software",
        "prov:label": facts.software,
    }
    entities = [
        _entity(f"urn:cot-factory:source:{quote(source.name, safe='')}", source.name, source.licence)
        for source in {source.name: source for source in facts.sources}.values()
    ] + [
        _entity(
            origin.url or f"urn:cot-factory:set:{quote(origin.name, safe='')}", origin.name, origin.licence
        )
        for origin in {origin.url or origin.name: origin for origin in facts.origins}.values()
    ]
    activities = [
        {
            "@type": "prov:Activity",
            "@id": f"urn:cot-factory:step:{quote(step.folder, safe='')}",
            "prov:label": step.name,
            "prov:endedAtTime": step.finished_at,
            "prov:wasAssociatedWith": {"@id": software["@id"]},
        }
        for step in facts.steps
    ]
    models = [
        {
            "@type": "prov:SoftwareAgent",
            "@id": f"urn:cot-factory:model:{quote(model.name, safe='')}:{model.maker.name.lower()}",
            "prov:label": model.name,
            "sc:description": model.maker.value,
        }
        for model in facts.models
    ]
    return {
        "prov:wasDerivedFrom": entities,
        "prov:wasGeneratedBy": activities,
        "prov:wasAttributedTo": [software, *models],
    }


def _entity(address: str, name: str, licence: str | None) -> dict[str, Any]:
    stated = {"sc:license": licence_url(licence)} if licence else {}
    return {"@type": "prov:Entity", "@id": address, "prov:label": name, **stated}


def licence_url(licence: str) -> str:
    """Where the licence is on the SPDX list, as Croissant recommends; the name that was stated when it is not there."""
    known = spdx_licence(licence)
    return f"https://spdx.org/licenses/{known}.html" if known else licence


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
    names = stated.unique().collect()["licence"].drop_nulls()
    return sorted({licence_url(name) for name in names}) or ["unknown"]


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
