"""A release as an SPDX 3.0.1 document of the Dataset profile (spdx.github.io/spdx-spec/v3.0.1/model/Dataset), JSON-LD.

The data set is one `DatasetPackage` that contains a file per shard, with its SHA-256. It declares the licences that its
rows state; nobody concluded one, so the concluded licence is NOASSERTION. Sources and models are plain packages: their
own build times, which the profile asks of a data set, are not known here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from factory.atomic import digest
from factory.publishing.answers import TO_FILL
from factory.publishing.croissant import HUB, collected, data_digest, described, processed
from factory.publishing.licences import is_stated, spdx_licence
from factory.publishing.provenance import Provenance

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
NO_ASSERTION = "expandedlicensing_NoAssertionLicense"
CREATION = "_:creation"


class _Document:
    """Elements with identifiers below one address."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.elements: list[dict[str, Any]] = []

    def add(self, kind: str, key: str, **properties: Any) -> str:
        """Add an element; its identifier. Properties that are None are left out."""
        given = {name: value for name, value in properties.items() if value is not None}
        self.elements.append(
            {"type": kind, "spdxId": f"{self.base}#{key}", "creationInfo": CREATION, **given}
        )
        return f"{self.base}#{key}"

    def relate(self, source: str, kind: str, targets: list[str]) -> None:
        """`source` stands in this relationship to all of `targets`; nothing without targets."""
        if targets:
            key = f"relationship-{len(self.elements)}"
            self.add("Relationship", key, **{"from": source}, relationshipType=kind, to=targets)

    def licence(self, stated: list[str | None]) -> str:
        """The element for the licences that rows state, all of which hold; NOASSERTION when one states none."""
        if not stated or not all(map(is_stated, stated)):
            return NO_ASSERTION
        terms, texts = {}, []
        for name in sorted({name for name in stated if name}):
            known = spdx_licence(name)
            own = f"LicenseRef-{re.sub('[^A-Za-z0-9.]+', '-', name)[:60].strip('-')}-{digest(name)[:6]}"
            terms[known or own] = None if known else name
        key = f"licence-{digest(sorted(terms))[:12]}"
        if any(element["spdxId"] == f"{self.base}#{key}" for element in self.elements):
            return f"{self.base}#{key}"
        for term, text in terms.items():
            if text is not None:
                place = self.add(
                    "simplelicensing_SimpleLicensingText",
                    f"text-{len(self.elements)}",
                    name=text,
                    simplelicensing_licenseText=f"The source states: {text}",
                )
                texts.append({"type": "DictionaryEntry", "key": term, "value": place})
        return self.add(
            "simplelicensing_LicenseExpression",
            key,
            simplelicensing_licenseExpression=" AND ".join(terms),
            simplelicensing_customIdToUri=texts or None,
        )


def build_spdx(
    facts: Provenance,
    answers: dict[str, str],
    folder: Path,
    configs: dict[str, list[Path]],
    digests: dict[Path, str],
    *,
    repo: str | None = None,
) -> dict[str, Any]:
    """The document as JSON-LD; the arguments are those of `build_croissant`."""
    name = repo or f"OWNER/{facts.recipe.name}"
    address = f"{HUB}/datasets/{quote(name)}"
    document = _Document(f"{address}/spdx/{data_digest(configs, digests)}")
    built = facts.dates[1].replace("+00:00", "Z")
    provider = document.add("Agent", "provider", name=answers["provider"])
    tool = document.add("SoftwareAgent", "software", name=facts.software)
    data = document.add(
        "dataset_DatasetPackage",
        "dataset",
        name=facts.recipe.name,
        description=described(facts),
        comment="releaseTime is when the last step finished; the repository's commit has the time of publication.",
        builtTime=built,
        releaseTime=built,
        originatedBy=[provider],
        software_primaryPurpose="data",
        software_downloadLocation=address,
        software_packageVersion=data_digest(configs, digests),
        dataset_datasetType=["text"],
        dataset_datasetSize=sum(path.stat().st_size for shards in configs.values() for path in shards),
        dataset_dataCollectionProcess=collected(facts),
        dataset_dataPreprocessing=processed(facts),
        dataset_intendedUse="; ".join(f"{each.name}: {each.use}" for each in facts.sets),
        dataset_knownBias=[answers["biases"]],
        dataset_datasetUpdateMechanism=answers["maintenance"],
        dataset_hasSensitivePersonalInformation=_presence(answers["personal_information"]),
        dataset_datasetAvailability="directDownload",
    )
    document.relate(data, "hasDeclaredLicense", [document.licence([s.licence for s in facts.sources])])
    document.relate(data, "hasConcludedLicense", [NO_ASSERTION])
    document.relate(data, "contains", _files(document, folder, configs, digests))
    document.relate(data, "descendantOf", _ancestors(document, facts))
    for number, model in enumerate(facts.models):
        maker = document.add(
            "software_Package",
            f"model-{number}",
            name=model.name,
            summary=f"{model.maker.value}: {model.texts} texts",
            software_primaryPurpose="model",
        )
        document.relate(maker, "generates", [data])
    everything = [element["spdxId"] for element in document.elements]
    document.add(
        "SpdxDocument",
        "document",
        name=f"{facts.recipe.name} (SPDX)",
        profileConformance=["core", "software", "dataset", "simpleLicensing"],
        rootElement=[data],
        element=everything,
    )
    creation = {
        "type": "CreationInfo",
        "@id": CREATION,
        "specVersion": "3.0.1",
        "created": built,
        "createdBy": [tool],
    }
    return {"@context": CONTEXT, "@graph": [creation, *document.elements]}


def _files(
    document: _Document, folder: Path, configs: dict[str, list[Path]], digests: dict[Path, str]
) -> list[str]:
    return [
        document.add(
            "software_File",
            f"file-{path.relative_to(folder)}",
            name=str(path.relative_to(folder)),
            software_primaryPurpose="data",
            contentType="application/vnd.apache.parquet",
            verifiedUsing=[{"type": "Hash", "algorithm": "sha256", "hashValue": digests[path]}],
        )
        for shards in configs.values()
        for path in shards
    ]


def _ancestors(document: _Document, facts: Provenance) -> list[str]:
    """A package per source and per published set, each with the licence that it states."""
    found = []
    given: list[tuple[str, str | None, str | None]]
    given = [(source.name, source.licence, None) for source in facts.sources]
    given += [(origin.name, origin.licence, origin.url) for origin in facts.origins]
    for number, (name, licence, url) in enumerate(given):
        place = document.add(
            "software_Package",
            f"source-{number}",
            name=name,
            software_primaryPurpose="data",
            software_downloadLocation=url,
        )
        document.relate(place, "hasDeclaredLicense", [document.licence([licence])])
        found.append(place)
    return found


def _presence(answer: str) -> str:
    """`yes` or `no` where the answer begins with it."""
    word = re.match(r"(yes|no)\b", answer.strip(), re.IGNORECASE)
    return word[1].lower() if word and answer != TO_FILL else "noAssertion"
