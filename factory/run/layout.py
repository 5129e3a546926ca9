"""Where everything of a run lies, and in which order it is made: `PLAN` is written here and nowhere else.

The pipeline writes these folders; ledger, report, viewer, card and trainer read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

STAGES = ("midtrain", "sft", "dpo", "distill", "rl")
"""Training stages in order; `base` stands before them."""
PAPER = ("midtrain", "sft", "dpo", "rl")
"""The paper's stages. A recipe has to ask for any other."""

DATASETS = ("midtrain", "sft", "preference", "rl")
"""Training sets in the order in which they are made."""


class Kind(StrEnum):
    """What a step does."""

    HOLD_OUT = "hold out"
    READ = "read"
    IMPORT = "import"
    DEDUPLICATE = "deduplicate"
    DECONTAMINATE = "decontaminate"
    GENERATE = "generate"
    VERIFY = "verify"
    LABEL = "label"
    SELECT = "select"
    EXPORT = "export"
    ROLL_OUT = "roll out"
    MEASURE = "measure"
    TRAIN = "train"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a run: its folder and what it is made of.

    `step` is its name in manifest and ledger, `part_of` the step of `factory run` that makes it (for `--until`),
    `unit` what its rows are, `parents` the folders it reads (inputs by name), `stage` the training stage it is or
    evaluates.
    """

    folder: str
    step: str
    part_of: str
    kind: Kind
    unit: str
    parents: dict[str, str]
    stage: str | None = None

    @property
    def dataset(self) -> str | None:
        """The training set that the rows are selected or exported for."""
        head, _, name = self.folder.partition("/")
        return name if head in ("selected", "datasets") else None


def _set(dataset: str, parents: dict[str, str], step: str, part_of: str) -> Iterator[Place]:
    selected = f"selected/{dataset}"
    yield Place(selected, step, part_of, Kind.SELECT, f"{dataset} rows", parents)
    yield Place(f"datasets/{dataset}", "export", part_of, Kind.EXPORT, f"{dataset} rows", {"rows": selected})


def _stage(stage: str, dataset: str) -> Iterator[Place]:
    train = f"train-{stage}"
    yield Place(f"train/{stage}", train, train, Kind.TRAIN, "rows", {"rows": f"datasets/{dataset}"}, stage)
    yield Place(f"eval/{stage}", "evaluate", f"eval-{stage}", Kind.EVALUATE, "responses", {}, stage)


_LABELLED = {"rows": "verdicts/labelled"}
PLAN: tuple[Place, ...] = (
    Place("problems/held_out", "held_out", "problems", Kind.HOLD_OUT, "problems", {}),
    Place("problems/read", "problems", "problems", Kind.READ, "problems", {}),
    Place("responses/given", "import", "problems", Kind.IMPORT, "responses", {}),
    Place("problems/unique", "dedup", "dedup", Kind.DEDUPLICATE, "problems", {"rows": "problems/read"}),
    Place(
        "problems/clean", "decontaminate", "decontaminate", Kind.DECONTAMINATE, "problems",
        {"rows": "problems/unique"},
    ),
    Place(
        "responses/teacher", "generate", "generate", Kind.GENERATE, "responses",
        {"rows": "problems/clean", "reuse": "responses/given"},
    ),
    Place("verdicts/teacher", "verify", "verify", Kind.VERIFY, "responses", {"rows": "responses/teacher"}),
    Place(
        "verdicts/unique", "dedup-responses", "dedup-responses", Kind.DEDUPLICATE, "responses",
        {"rows": "verdicts/teacher"},
    ),
    Place(
        "verdicts/clean", "decontaminate-responses", "decontaminate-responses", Kind.DECONTAMINATE, "responses",
        {"rows": "verdicts/unique"},
    ),
    Place("verdicts/labelled", "label", "label", Kind.LABEL, "responses", {"rows": "verdicts/clean"}),
    *_set("midtrain", _LABELLED, "midtrain-set", "midtrain-set"),
    *_set("sft", _LABELLED, "sft-set", "sft-set"),
    *_stage("base", "midtrain"),
    *_stage("midtrain", "midtrain"),
    *_stage("sft", "sft"),
    Place(
        "difficulty/rollouts", "rollouts", "difficulty", Kind.ROLL_OUT, "rollouts", {"rows": "problems/clean"}
    ),
    Place("difficulty/problems", "difficulty", "difficulty", Kind.MEASURE, "problems", {"rows": "problems/clean"}),
    *_set(
        "preference", {"verdicts": "verdicts/labelled", "rollouts": "difficulty/rollouts"}, "pairs", "pairs"
    ),
    *_stage("dpo", "preference"),
    Place("rl_difficulty/rollouts", "rollouts", "rl-difficulty", Kind.ROLL_OUT, "rollouts", {"rows": "problems/clean"}),
    Place("rl_difficulty/problems", "difficulty", "rl-difficulty", Kind.MEASURE, "problems", {"rows": "problems/clean"}),
    *_set("rl", {"rows": "difficulty/problems", "remeasured": "rl_difficulty/problems"}, "rl-prompts", "rl-prompts"),
    *_stage("distill", "rl"),
    *_stage("rl", "rl"),
)  # fmt: skip
"""Every step of a run, in order. A recipe leaves steps out (stages that are off, evaluations); it never moves one."""

PLACES = {place.folder: place for place in PLAN}
"""The same by folder."""


def order_of(folder: str) -> tuple[int, str]:
    """Sorts folders of a run in the order of `PLAN`; folders below one of them with it, others at the end."""
    place = place_of(folder)
    return PLAN.index(place) if place else len(PLAN), folder


def place_of(folder: str) -> Place | None:
    """The place that a folder of a run is, or lies below."""
    return next((p for p in PLAN if folder == p.folder or folder.startswith(f"{p.folder}/")), None)


def before(dataset: str) -> set[str]:
    """All folders that rows of a training set come through, before the set's own selection."""
    found: set[str] = set()
    waiting = list(PLACES[f"selected/{dataset}"].parents.values())
    while waiting:
        folder = waiting.pop()
        if folder not in found:
            found.add(folder)
            waiting += PLACES[folder].parents.values()
    return found


def expected_places(recipe: Mapping[str, Any]) -> list[Place]:
    """What a run of this recipe makes, in order. The recipe is as `recipe.yaml` has it; absent keys have their defaults."""

    def section(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = of.get(name)
        return found if isinstance(found, Mapping) else {}

    train = None if recipe.get("train", {}) is None else section(recipe, "train")
    on = [
        stage
        for stage in STAGES
        if train is not None and section(train, stage).get("enabled", stage in PAPER)
    ]
    student = section(recipe, "difficulty").get("student", "student")
    # A student that is not trained here can be rolled out all the same.
    if train is None and student != "student":
        on = ["dpo", "rl"]
    evaluated = section(recipe, "evaluation").get("stages", ("base", *STAGES))

    def wanted(place: Place) -> bool:
        if place.stage is not None:
            there = train is not None and place.stage in ("base", *on)
            return there and (place.kind == Kind.TRAIN or place.stage in evaluated)
        if place.kind in (Kind.ROLL_OUT, Kind.MEASURE):
            if place.part_of == "rl-difficulty":
                again = section(recipe, "rl_prompts").get("remeasure", False)
                return bool(again) and train is not None and bool({"distill", "rl"} & set(on))
            asked = place.kind == Kind.MEASURE or student != "teacher"
            return asked and bool({"dpo", "distill", "rl"} & set(on))
        stages = {"preference": {"dpo"}, "rl": {"distill", "rl"}}.get(place.dataset or "")
        if stages is not None:
            return bool(stages & set(on))
        return place.kind != Kind.HOLD_OUT or bool(section(recipe, "problems").get("held_out"))

    return [place for place in PLAN if wanted(place)]


def trained_stages(recipe: Mapping[str, Any]) -> list[str]:
    """The training stages of a recipe, in order; all there are when the recipe is not known (empty)."""
    stages = [place.stage for place in expected_places(recipe) if place.kind == Kind.TRAIN and place.stage]
    return stages if recipe else ["base", *STAGES]


class _Below:
    """A path below the run's folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, layout: RunLayout, owner: type) -> Path:
        return layout.run / self.name


@dataclass(frozen=True, slots=True)
class RunLayout:
    """Paths below one run folder. Folders with parts hold `part-*.parquet`, `__dropped/` and `_manifest.json`."""

    run: Path
    shared_store: Path | None = None
    """A response store that several runs share; the run has its own when None."""

    recipe = _Below("recipe.yaml")
    """The resolved recipe."""
    ledger = _Below("ledger.json")
    """The books of every step."""
    problems = _Below("problems/read")
    """Problems as read from the sources (PROBLEM)."""
    held_out = _Below("problems/held_out")
    """Problems set aside for evaluation (PROBLEM)."""
    given = _Below("responses/given")
    """Responses that came with the problems, where there are any (RESPONSE)."""
    unique_problems = _Below("problems/unique")
    """Problems after deduplication (PROBLEM + cluster_id)."""
    clean_problems = _Below("problems/clean")
    """Problems after decontamination: what the teacher is asked (PROBLEM + cluster_id)."""
    responses = _Below("responses/teacher")
    """Teacher responses (RESPONSE)."""
    verdicts = _Below("verdicts/teacher")
    """Teacher responses with verdicts (VERDICT)."""
    unique_verdicts = _Below("verdicts/unique")
    """Verdict rows after response deduplication (VERDICT + cluster_id)."""
    clean_verdicts = _Below("verdicts/clean")
    """Verdict rows after the responses were checked against the benchmarks (VERDICT + cluster_id)."""
    labelled = _Below("verdicts/labelled")
    """Verdict rows with domain, level and repetition (LABELLED)."""

    def selected(self, dataset: str) -> Path:
        """Rows chosen for a training set, before they are sharded."""
        return self.run / "selected" / dataset

    def dataset(self, dataset: str) -> Path:
        """A finished training set: `train-00000-of-000NN.parquet` and `_manifest.json`."""
        return self.run / "datasets" / dataset

    rollouts = _Below("difficulty/rollouts")
    """Student rollouts with verdicts (VERDICT)."""
    difficulty = _Below("difficulty/problems")
    """Pass-rate posterior of every rolled-out problem (DIFFICULTY)."""

    rl_rollouts = _Below("rl_difficulty/rollouts")
    """Rollouts of the student that RL starts from, where `rl_prompts.remeasure` asks for them (VERDICT)."""
    rl_difficulty = _Below("rl_difficulty/problems")
    """Its pass-rate posteriors (DIFFICULTY)."""

    def stage(self, stage: str) -> Path:
        """A training stage's folder: `final/`, `preflight.json`, logs. `base` holds the untrained student."""
        return self.run / "train" / stage

    def checkpoint(self, stage: str) -> Path:
        """The stage's finished model and tokenizer."""
        return self.stage(stage) / "final"

    def evaluation(self, stage: str) -> Path:
        """The evaluation after a stage: `summary.json` and a folder of graded responses a benchmark."""
        return self.run / "eval" / stage

    @property
    def report(self) -> Path:
        """The HTML report. That of a single verb's output lies with its side tables: some readers open every file of a folder."""
        alone = (self.run / "_manifest.json").exists()
        return self.run / ("__side/report.html" if alone else "report.html")

    @property
    def store(self) -> Path:
        """The response store: every response that was paid for."""
        return self.shared_store or self.run / "store"
