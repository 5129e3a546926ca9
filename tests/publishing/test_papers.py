"""Provenance papers: facts from the run, answers from its user, and other people's validators on what comes out."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.atomic import write_json
from factory.config.load import load_recipe
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.publishing.answers import QUESTIONS, TO_FILL, answers_file, read_answers, write_questions
from factory.publishing.croissant import build_croissant
from factory.publishing.papers import CALIFORNIA, EU, make_papers, open_questions, render_paper
from factory.publishing.provenance import Maker, Model, Origin, Provenance, Source, read_provenance
from factory.publishing.release import build_release
from factory.publishing.spdx import build_spdx
from factory.run.layout import RunLayout
from factory.steps import export
from schemas import COMPLETION

HEADINGS = """1. General information
1.1. Provider identification
1.2. Model identification
1.3. Modalities, overall training data size and other characteristics
2. List of data sources
2.1. Publicly available datasets
2.2. Private non-publicly available datasets obtained from third parties
2.2.1. Datasets commercially licensed by rightsholders or their representatives
2.2.2. Private datasets obtained from other third parties
2.3. Data crawled and scraped from online sources
2.4. User data
2.5. Synthetic data
2.6. Other sources of data
3. Data processing aspects
3.1. Respect of reservation of rights from text and data mining exception or limitation
3.2. Removal of illegal content
3.3. Other information (optional)"""
"""Of the AI Office's template of 24 July 2025, as providers publish it (Swiss AI's summary of Apertus, SmolLM3's)."""
NOBODY = read_answers(Path("no such file"))


def spdx_faults(document: dict) -> list[str]:
    """What SPDX's own model says, and what the Dataset profile asks beside it (3.0.1, Dataset, Profile conformance)."""
    spdx = pytest.importorskip("spdx_python_model").v3_0_1
    objects = spdx.SHACLObjectSet()
    try:
        spdx.JSONLDDeserializer().read(io.BytesIO(json.dumps(document).encode()), objects)
        spdx.JSONLDSerializer().write(objects, io.BytesIO())
    except (KeyError, TypeError, ValueError) as error:
        return [str(error)]
    faults = [f"{name} is not in the document" for name in objects.missing_ids]
    elements = [element for element in document["@graph"] if "spdxId" in element]
    names = [element["spdxId"] for element in elements]
    faults += [f"{name} stands twice" for name in names if names.count(name) > 1]
    for data in (element for element in elements if element["type"] == "dataset_DatasetPackage"):
        for kind in ("hasDeclaredLicense", "hasConcludedLicense"):
            found = [e for e in elements if e.get("from") == data["spdxId"] and e["relationshipType"] == kind]
            faults += [] if len(found) == 1 else [f"{len(found)} {kind}"]
        needed = (
            "builtTime",
            "originatedBy",
            "releaseTime",
            "software_downloadLocation",
            "software_primaryPurpose",
        )
        faults += [f"no {name}" for name in needed if not data.get(name)]
    return faults


def croissant_faults(path: Path) -> list[str]:
    mlc = pytest.importorskip("mlcroissant")
    issues = mlc.Dataset(jsonld=str(path)).metadata.ctx.issues
    return [*issues.errors, *issues.warnings]


def test_the_eu_summary_has_the_templates_sections_in_order(finished_run: Path) -> None:
    text = render_paper(EU, read_provenance(finished_run), NOBODY)
    assert re.findall(r"^##+ (.*)$", text, re.M) == HEADINGS.splitlines()


def test_californias_documentation_has_all_twelve_items(finished_run: Path) -> None:
    text = render_paper(CALIFORNIA, read_provenance(finished_run), NOBODY)
    assert re.findall(r"^## \((\d+)\)", text, re.M) == [str(n) for n in range(1, 13)]


def test_facts_are_those_of_the_data(finished_run: Path) -> None:
    facts = read_provenance(finished_run)
    at = RunLayout(finished_run)
    frames = {
        name: pl.read_parquet(at.dataset(name) / "*.parquet")
        for name in ("midtrain", "sft", "preference", "rl")
    }
    assert [(s.name, s.rows, s.problems) for s in facts.sets] == [
        (name, frame.height, frame["problem_id"].n_unique()) for name, frame in frames.items()
    ]
    rows = pl.concat([frame.select("source", "licence", "problem_id") for frame in frames.values()])
    assert {(s.name, s.licence, s.rows, s.problems) for s in facts.sources} == set(
        rows.group_by("source", "licence").agg(pl.len(), pl.col("problem_id").n_unique()).iter_rows()
    )
    assert facts.models == [
        Model(
            "procedural",
            Maker.CODE,
            frames["midtrain"].height + frames["sft"].height + frames["preference"].height,
        ),
        Model("student", Maker.STUDENT, frames["preference"].height),
    ]
    assert facts.benchmarks == ["gsm8k_test"]
    text = render_paper(EU, facts, NOBODY)
    tokens = sum(s.tokens or 0 for s in facts.sets)
    assert (
        f"☒ Less than 1 billion tokens ☐ 1 billion to 10 trillion tokens ☐ More than 10 trillion tokens; {tokens:,}"
        in text
    )
    assert "| decontaminate | problems/clean | 31 | 30 | 1 exact |" in text


def test_every_question_stands_in_a_paper_and_every_gap_is_marked(run: Path) -> None:
    *texts, croissant, spdx, answers = make_papers(run)
    empty = "".join(path.read_text() for path in [*texts, croissant, spdx])
    assert empty.count(TO_FILL) >= len(QUESTIONS)
    assert list(open_questions(answers)) == list(QUESTIONS)
    answers.write_text(yaml.safe_dump({key: f"answer of {key.upper()}Q" for key in QUESTIONS}))
    make_papers(run)
    full = "".join(path.read_text() for path in [*texts, croissant, spdx]).replace("\\", "")
    assert TO_FILL not in full
    assert [key for key in QUESTIONS if f"answer of {key.upper()}Q" not in full] == []
    assert list(open_questions(answers)) == []


def test_a_second_making_keeps_the_answers_and_gives_the_same_bytes(run: Path) -> None:
    first = {path: path.read_bytes() for path in make_papers(run)}
    assert {path: path.read_bytes() for path in make_papers(run)} == first
    answers_file(run).write_text("# mine\nprovider: |\n  Ada\n  Long Street 1\nmarket_date: 2026-12-01\n")
    mine = answers_file(run).read_bytes()
    make_papers(run)
    assert answers_file(run).read_bytes() == mine
    assert "**Provider name and contact details:** Ada Long Street 1\n" in (run / "papers" / EU).read_text()
    assert "Union market:** 2026-12-01\n" in (run / "papers" / EU).read_text()


@pytest.mark.parametrize("name", [EU, CALIFORNIA])
def test_a_paper_that_was_edited_is_never_written_over(run: Path, name: str) -> None:
    make_papers(run)
    path = run / "papers" / name
    path.write_text(path.read_text().replace(TO_FILL, "filled in by hand", 1))
    edited = {each: each.read_bytes() for each in (run / "papers").iterdir()}
    with pytest.raises(
        UsageError, match=f"{name} was changed by hand - move what you wrote to .*answers.yaml"
    ):
        make_papers(run)
    assert {each: each.read_bytes() for each in (run / "papers").iterdir()} == edited


@pytest.mark.parametrize(
    "text, what",
    [
        ("providr: me", "no question providr - did you mean provider"),
        ("provider: [", "cannot read"),
        ("- provider", "is not a mapping"),
        ("provider: me\nbiases: none\nprovider: you", "provider is answered twice"),
        ("provider: !!python/object:os.system x", "cannot read"),
    ],
)
def test_answers_that_cannot_be_read_are_usage_errors(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=what):
        read_answers(path)


def test_answers_may_be_what_yaml_makes_of_them(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text(
        "user_prompts: no\nfirst_used: 2026-01-02\nlanguages: [en, de]\ncrawlers: ~\nbiases: {a: 1}\n"
    )
    given = read_answers(path)
    assert [given[key] for key in ("user_prompts", "first_used", "languages", "crawlers", "biases")] == [
        "no", "2026-01-02", "en; de", TO_FILL, '{"a": 1}',
    ]  # fmt: skip
    assert not write_questions(path)


def test_croissant_holds_rai_and_prov_terms_that_others_read(run: Path) -> None:
    mlc = pytest.importorskip("mlcroissant")
    rdflib = pytest.importorskip("rdflib")
    path = build_release(run, repo="me/farm").paths["croissant.json"]
    assert croissant_faults(path) == []
    found = mlc.Dataset(jsonld=str(path)).metadata
    assert found.conforms_to == [
        "http://mlcommons.org/croissant/1.1",
        "http://mlcommons.org/croissant/RAI/1.0",
    ]
    assert "30 by student (trained in this run)" in found.data_collection
    assert found.data_use_cases[0] == "midtrain: packed next-token training (stage 1)"
    assert [found.data_social_impact, *found.data_biases, *found.personal_sensitive_information] == [
        TO_FILL
    ] * 3
    graph = rdflib.Graph().parse(path, format="json-ld")
    prov = rdflib.Namespace("http://www.w3.org/ns/prov#")
    steps = {
        str(label)
        for a in graph.subjects(rdflib.RDF.type, prov.Activity)
        for label in graph.objects(a, prov.label)
    }
    assert steps == {step.name for step in read_provenance(run).steps}
    assert len(list(graph.objects(None, prov.endedAtTime))) == len(read_provenance(run).steps)
    derived = {
        str(label) for e in graph.objects(None, prov.wasDerivedFrom) for label in graph.objects(e, prov.label)
    }
    assert derived == {source.name for source in read_provenance(run).sources}


def test_spdx_passes_the_models_own_rules_and_the_profiles(run: Path) -> None:
    release = build_release(run, repo="me/farm")
    document = json.loads(release.paths["spdx.json"].read_text())
    assert spdx_faults(document) == []
    files = {
        e["name"]: e["verifiedUsing"][0]["hashValue"]
        for e in document["@graph"]
        if e["type"] == "software_File"
    }
    assert files == {n: f.sha256 for n, f in release.files.items() if n.endswith(".parquet")}
    declared = [e for e in document["@graph"] if e["type"] == "simplelicensing_LicenseExpression"]
    assert [e["simplelicensing_licenseExpression"] for e in declared] == ["MIT"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("dataset_datasetType"),
        lambda data: data.update(dataset_datasetType=["prose"]),
        lambda data: data.update(builtTime="2026-11-27"),
        lambda data: data.update(dataset_datasetSize=-1),
        lambda data: data.update(invented="x"),
        lambda data: data.update(originatedBy=["https://elsewhere.org/nobody"]),
        lambda data: data.pop("releaseTime"),
    ],
)
def test_the_check_of_spdx_can_fail(finished_run: Path, spoil) -> None:
    document = build_spdx(read_provenance(finished_run), NOBODY, finished_run, {}, {})
    spoil(next(e for e in document["@graph"] if e["type"] == "dataset_DatasetPackage"))
    assert spdx_faults(document)


@pytest.mark.parametrize(
    "sampler, asked, says",
    [
        ("openrouter", "☒ Yes ☐ No", "asked by this run"),
        ("import", "☐ Yes ☒ No", "came with its problem"),
        ("replay", "☐ Yes ☒ No", "came with its problem"),
        ("procedural", "☐ Yes ☒ No", "code of the factory"),
        ("student", "☒ Yes ☐ No", "trained in this run"),
    ],
)
def test_synthetic_data_is_what_a_model_was_asked_for(
    run: Path, make, sampler: str, asked: str, says: str
) -> None:
    rows = [row | {"teacher": sampler, "model": "acme/r1"} for row in make.completions(4)]
    for name in ("midtrain", "sft"):
        folder = make.step_folder(run / "selected" / "x", rows, COMPLETION)
        export.run(folder, RunLayout(run).dataset(name), COMPLETION)
    for name in ("preference", "rl"):
        for path in RunLayout(run).dataset(name).iterdir():
            path.unlink()
    text = render_paper(EU, read_provenance(run), NOBODY)
    assert f"on their behalf to train the model?** {asked}" in text
    assert f"| acme/r1 | {says}" in text


ODD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


FOREIGN = st.tuples(st.lists(ODD, min_size=1, max_size=4), st.lists(st.none() | ODD, min_size=4, max_size=4))
once = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)


def foreign(run: Path, names: list[str], licences: list[str | None]) -> Provenance:
    """The facts of a run with names that others gave."""
    return replace(
        read_once(run),
        sources=[Source(name, licence, 1, 1) for name, licence in zip(names, licences, strict=False)],
        origins=[Origin(name, name, licence, 1) for name, licence in zip(names, licences, strict=False)],
        models=[Model(name, maker, 1) for name in names for maker in Maker],
        labels={"domain": names, "level": names},
        methods=names,
    )


@once
@given(names=FOREIGN, answer=ODD)
def test_names_of_others_break_neither_spdx_nor_a_text(
    finished_run: Path, tmp_path: Path, names, answer: str
) -> None:
    facts, answers = foreign(finished_run, *names), dict.fromkeys(QUESTIONS, answer)
    assert spdx_faults(build_spdx(facts, answers, tmp_path, {}, {})) == []
    for name in (EU, CALIFORNIA):
        body = render_paper(name, facts, answers).partition("-->")[2]
        assert "<" not in re.sub(r"<https://huggingface\.co/datasets/[A-Za-z0-9_./-]+>", "", body)
        assert body.count("\n#") == headings(name, finished_run)


@settings(once, max_examples=4)
@given(names=FOREIGN, answer=ODD)
def test_names_of_others_do_not_break_croissant(
    finished_run: Path, tmp_path: Path, names, answer: str
) -> None:
    shard = RunLayout(finished_run).dataset("rl") / "train-00000-of-00001.parquet"
    facts, answers = foreign(finished_run, *names), dict.fromkeys(QUESTIONS, answer)
    made = build_croissant(facts, answers, finished_run, {"rl": [shard]}, {shard: "0" * 64})
    write_json(tmp_path / "croissant.json", made)
    assert croissant_faults(tmp_path / "croissant.json") == []


@lru_cache
def read_once(run: Path) -> Provenance:
    return read_provenance(run)


@lru_cache
def headings(name: str, run: Path) -> int:
    return render_paper(name, read_once(run), NOBODY).count("\n#")


def test_a_source_without_a_licence_is_no_assertion(run: Path, make) -> None:
    rows = [row | {"licence": None if i else "MIT License"} for i, row in enumerate(make.completions(3))]
    folder = make.step_folder(run / "selected" / "x", rows, COMPLETION)
    export.run(folder, RunLayout(run).dataset("sft"), COMPLETION)
    document = json.loads(build_release(run).paths["spdx.json"].read_text())
    data = next(e["spdxId"] for e in document["@graph"] if e["type"] == "dataset_DatasetPackage")
    kind = "hasDeclaredLicense"
    assert [
        e["to"] for e in document["@graph"] if e.get("from") == data and e["relationshipType"] == kind
    ] == [["expandedlicensing_NoAssertionLicense"]]


@pytest.mark.parametrize(
    "name, revision, url",
    [
        (
            "open-r1/Mixture-of-Thoughts",
            "abc",
            "https://huggingface.co/datasets/open-r1/Mixture-of-Thoughts/tree/abc",
        ),
        ("open-r1/Mixture", None, "https://huggingface.co/datasets/open-r1/Mixture"),
        ("open-r1/Mixture", "a b", "https://huggingface.co/datasets/open-r1/Mixture"),
        ("traces.parquet", "abc", None),
        ("../up/x", None, None),
        ("a/b/c", None, None),
        ("o/x> <script>", None, None),
    ],
)
def test_only_what_has_the_form_of_a_hub_name_gets_an_address(
    name: str, revision: str | None, url: str | None
) -> None:
    assert Origin(name, revision, None, 1).url == url


def test_a_published_set_is_named_with_its_address(finished_run: Path) -> None:
    facts = replace(read_provenance(finished_run), origins=[Origin("open-r1/Mix_2", "r1", "apache-2.0", 12)])
    text = render_paper(EU, facts, NOBODY)
    assert "datasets to train the model?** ☒ Yes ☐ No" in text
    assert "| <https://huggingface.co/datasets/open-r1/Mix_2/tree/r1> | r1 | apache-2.0 | 12 |" in text


def test_no_run_no_set_no_paper(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no recipe\.yaml"):
        make_papers(tmp_path)
    for path in run.glob("datasets/*/*"):
        path.unlink()
    with pytest.raises(UsageError, match="no finished training set"):
        make_papers(run)
    assert not (run / "papers").exists()


def test_the_model_that_was_fine_tuned_is_named_only_when_the_run_trained(finished_run: Path) -> None:
    facts = read_provenance(finished_run)
    assert facts.base_model is None
    recipe = load_recipe(RunLayout(finished_run).recipe)
    trains = Recipe.model_validate(recipe.model_dump() | {"train": {"student": {"model": "acme/base"}}})
    step = replace(facts.steps[0], name="train-sft", finished_at="2026-11-20T00:00:00+00:00")
    trained = replace(facts, recipe=trains, steps=[*facts.steps, step])
    assert "(the run fine-tuned acme/base)" in render_paper(EU, trained, NOBODY)
    assert "(the run itself trained on them on 2026-11-20)" in render_paper(CALIFORNIA, trained, NOBODY)
