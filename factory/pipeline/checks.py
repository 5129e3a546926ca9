"""Everything about a recipe that can be known before its first step: names, packages, keys, files, contradictions.

A section checks its own bounds when it is read (`factory.config`). Here is what needs more than the recipe: which
teachers, benchmarks and columns there are, and what this machine has. A run and its `--dry-run` make the same checks.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from factory.config.base import did_you_mean
from factory.config.difficulty import TEACHER
from factory.config.endpoint import Address, Budget, Endpoint
from factory.config.problems import SourceSection
from factory.config.recipe import Recipe
from factory.engines.engine import EngineName
from factory.errors import UsageError
from factory.pipeline.own_checks import own_faults
from factory.pipeline.training_checks import missing_hardware, student_faults, training_faults
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST


def check_recipe(
    recipe: Recipe, steps: Collection[str], at: RunLayout | None = None, *, elsewhere: bool = False
) -> list[str]:
    """Refuse a recipe that would fail later, before anything is paid for or trained.

    Args:
        recipe: what is to be made.
        steps: names of the steps that are to run. Unknown names are refused whatever runs; packages, keys and hardware
            only where a step needs them.
        at: the run's folder: a teacher that has answered already needs no key.
        elsewhere: the run is only planned here, so that this machine may lack keys, a GPU and what goes with it.

    Returns:
        Keys and hardware that the recipe needs and this machine lacks; empty unless `elsewhere`.

    Raises:
        UsageError: one line for each mistake: the key, what is wrong, what to do.
    """
    asked = "generate" in steps and not (at and (at.responses / MANIFEST).exists())
    keyless = [*_samplers(recipe, asked and not elsewhere)]
    needs = [fault for fault in _samplers(recipe, asked) if fault not in keyless]
    faults = [
        *_contradictions(recipe),
        *_sources(recipe, steps),
        *_benchmarks(recipe),
        *keyless,
        *_columns(recipe),
        *own_faults(recipe, reads="problems" in steps),
        *(student_faults(recipe.train.student) if recipe.train else ()),
    ]
    trains = any(name.startswith(("train-", "eval-", "difficulty")) for name in steps)
    if recipe.train and trains:
        faults += training_faults(recipe.train)
        needs += missing_hardware(recipe.train, rl="train-rl" in steps)
    if faults := faults + ([] if elsewhere else needs):
        raise UsageError("\n".join(dict.fromkeys(faults)))
    return needs


def need(what: str, extra: str, *packages: str) -> None:
    """Refuse work whose packages are missing, before it begins.

    Raises:
        UsageError: names them and the command that installs them.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise UsageError(f"{what} needs {', '.join(missing)}", do=f"pip install 'cot-factory[{extra}]'")


def check_engine(name: str) -> None:
    """Refuse an engine whose package is missing, before anything else is done.

    Raises:
        UsageError: names the package and the command that brings it.
    """
    if name == EngineName.RAY:
        from factory.engines.ray import check_ray

        check_ray()


def _contradictions(recipe: Recipe) -> Iterator[str]:
    train, prompts = recipe.train, recipe.rl_prompts
    for side in ("chosen_from", "rejected_from"):
        who = getattr(recipe.preference, side)
        if recipe.difficulty.student == TEACHER and who not in ("teacher", "both"):
            yield f"preference.{side}: {who} needs a student's rollouts, and difficulty.student is teacher - set it to teacher"
    if recipe.datasets.max_pass_rate is not None and (
        recipe.difficulty.student == "student" or (train and not (train.dpo.enabled or train.rl.enabled))
    ):
        yield (
            "datasets.max_pass_rate needs a student that is there before sft, and whose rollouts are wanted - name one in "
            "difficulty.student (a preset, or transformers with difficulty.model), and leave train.dpo or train.rl on"
        )
    if train is None:
        return
    if (
        "held_out" in recipe.evaluation.benchmarks
        and recipe.evaluation.stages
        and not recipe.problems.held_out
    ):
        yield (
            "evaluation.benchmarks names held_out, but problems.held_out is 0 - "
            "set problems.held_out, or name other benchmarks"
        )
    if train.rl.enabled and train.rl.rebalance and prompts.high > train.rl.max_accuracy:
        yield (
            f"rl_prompts.high {prompts.high:g} is above train.rl.max_accuracy {train.rl.max_accuracy:g}: prompts "
            "between them would give no signal - set both to the same value"
        )


def _sources(recipe: Recipe, steps: Collection[str]) -> Iterator[str]:
    """Sources of problems, and files that are compared with."""
    faults: list[str] = []
    for source in recipe.problems.specs:
        faults += _source("problems.sources", source, run="problems" in steps)
        drawn = source.startswith("hf://") or (
            source.startswith("reasoning_gym:") and "choices=" not in source
        )
        if recipe.generate.teacher == "procedural" and drawn:
            yield f"generate.teacher: procedural answers procedural problems only, not {source} - name a model"
    yield from faults
    if not faults and "problems" in steps:
        yield from _layouts(recipe)
    for path in recipe.generate.reuse:
        yield from _file("generate.reuse", path)
    for path in recipe.deduplication.against:
        yield from _file("deduplication.against", path)
    embedding = recipe.decontamination.embedding
    if embedding is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", embedding.model):
        yield from _file("decontamination.embedding.model", embedding.model)


def _layouts(recipe: Recipe) -> Iterator[str]:
    """Files of which nothing says where the problem is, and settings that responses in them make senseless."""
    from factory.steps.problems import open_sources

    local = [each for each in recipe.problems.sources if not SourceSection.of(each).path.startswith("hf://")]
    try:
        opened = open_sources(recipe.problems.model_copy(update={"sources": local}))
    except UsageError as error:
        yield f"problems.sources: {error}"
        return
    given = any(each.holds_responses for each in opened)
    if not (
        recipe.generate.samples or recipe.generate.reuse or given or len(local) < len(recipe.problems.sources)
    ):
        yield (
            "generate.samples is 0, and no source holds responses - request some, or name files with responses in "
            "problems.sources"
        )
    if recipe.generate.accept is not None and given:
        yield (
            "generate.accept counts responses that are requested, but problems.sources hold responses - "
            "set generate.samples instead"
        )


def _source(key: str, source: str, *, run: bool) -> Iterator[str]:
    try:
        if source.startswith("procedural:"):
            from factory.sources.procedural import draw_problems

            draw_problems(source, limit=1)
        elif source.startswith("reasoning_gym:"):
            from factory.sources.gym import gym_problems, is_skipped

            if run and find_spec("reasoning_gym") is not None:
                gym_problems(source, limit=1)
            elif run and not is_skipped(source):
                yield f"{key}: {source} needs reasoning-gym - pip install 'cot-factory[gym]'"
        elif source.startswith("hf://"):
            if run and find_spec("datasets") is None:
                yield f"{key}: {source} needs datasets - pip install 'cot-factory[hub]'"
            if not re.match(r"hf://datasets/[^/?]+/[^/?]+", source):
                yield f"{key}: {source} is not of the form hf://datasets/OWNER/NAME[/FILE]"
        else:
            yield from _file(key, source)
    except UsageError as error:
        yield f"{key}: {error}"


def _file(key: str, path: str) -> Iterator[str]:
    from factory.sources.paths import expand

    try:
        if not Path(path).is_dir():
            expand(path)
    except (UsageError, OSError, ValueError) as error:
        yield f"{key}: {error}"


def _benchmarks(recipe: Recipe) -> Iterator[str]:
    from factory.decontamination.load import SETS, shipped, shipped_as
    from factory.evaluation.benchmarks import GPQA, NAMES

    against, shown = recipe.decontamination.against, ["all", *SETS, *shipped()]
    for name in (each for each in against if not shipped_as(each)):
        yield from _known(
            "decontamination.against", "benchmark", name, shown, "factory benchmarks lists them"
        )
    near = recipe.decontamination.embedding
    if near is not None and near.judge is not None and all(map(shipped_as, against)):
        yield "decontamination.embedding.judge: shipped indexes hold no text - name a data file in decontamination.against"
    if recipe.train is None:
        return
    names = list(NAMES)
    for name in recipe.evaluation.benchmarks:
        if name.startswith(("procedural:", "reasoning_gym:", "hf://")):
            yield from _source("evaluation.benchmarks", name, run=True)
        else:
            yield from _known("evaluation.benchmarks", "benchmark", name, names, f"known: {', '.join(names)}")
        if name == GPQA and not has_hub_token():
            yield f"evaluation.benchmarks: {GPQA} is gated, and there is no Hub token - accept its terms on the Hub and set HF_TOKEN, or leave it out"


def _known(key: str, what: str, name: str, names: Iterable[str], do: str) -> Iterator[str]:
    """A name, or else a path that is there."""
    if name not in names and not Path(name).exists() and not glob.glob(name, recursive=True):  # noqa: PTH207
        near = did_you_mean(name, names)
        yield f"{key}: no {what} {name} - {near or 'neither a known name nor a file; ' + do}"


def _samplers(recipe: Recipe, asked: bool) -> Iterator[str]:
    """Teacher, student and judges: known, with a model and a key."""
    if recipe.generate.samples:
        yield from check_endpoint("generate.teacher", recipe.generate.endpoint, recipe.budget, key=asked)
        yield from _teacher_options(recipe)
        for each in recipe.generate.others:
            endpoint = Endpoint(preset=each.teacher, **each.model_dump(include=set(Address.model_fields)))
            yield from check_endpoint("generate.others", endpoint, recipe.budget, key=asked)
    near = recipe.decontamination.embedding
    judges = {
        "verify.judge": recipe.verify.judge,
        "datasets.judge.preset": recipe.datasets.judge,
        "decontamination.embedding.judge": near.judge if near else None,
    }
    for where, judge in judges.items():
        if judge is not None:
            yield from check_endpoint(where, judge, recipe.budget, key=asked)
    student = recipe.difficulty
    if student.student not in ("student", TEACHER):
        yield from check_endpoint("difficulty.student", student.endpoint, recipe.budget, key=asked)


def check_endpoint(where: str, endpoint: Endpoint, budget: Budget, *, key: bool) -> Iterator[str]:
    """What is wrong with a section's endpoint: name, model, key, and a cap in dollars that nobody can count."""
    yield from check_sampler(
        where,
        endpoint.preset,
        model=endpoint.model,
        base_url=endpoint.base_url,
        api_key_env=endpoint.api_key_env,
        key=key,
    )
    from factory.sampling.presets import PRESETS

    preset = PRESETS.get(endpoint.preset)
    if preset and budget.max_usd is not None and endpoint.price is None and preset.prices is None:
        yield (
            f"{where}: max_usd needs prices, and {preset.name} has no price list - give a price (dollars per "
            "million tokens), or cap tokens with max_tokens_total"
        )


def check_sampler(
    where: str,
    name: str,
    *,
    model: str | None = None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    key: bool = True,
) -> Iterator[str]:
    """What is wrong with a sampler that is named in `where`; a missing key counts only where `key` is needed."""
    from factory.sampling.presets import LOCAL, PRESETS, read_key

    preset = PRESETS.get(name)
    if preset is None and name not in LOCAL:
        near = did_you_mean(name, [*PRESETS, *LOCAL])
        yield f"{where}: no teacher called {name} - {near or 'factory teachers lists them'}"
    elif name == "vllm-offline" and find_spec("vllm") is None:
        yield f"{where}: {name} needs vllm - pip install 'cot-factory[vllm]' on a machine with a GPU"
    elif preset is None:
        if name in ("transformers", "vllm-offline", "replay") and not model:
            yield f"{where}: {name} needs a model - name a folder as the model"
        elif name in ("transformers", "replay") and not Path(str(model)).exists():
            yield f"{where}: {name} needs a folder, and {model} does not exist"
    elif not (model or preset.model):
        yield f"{where}: {name} needs a model - name its model id"
    else:
        for url in filter(None, (base_url or "").split(",")):
            if not re.match(r"https?://[^/\s]+", url):
                yield f"{where}: {url} is not an http(s) address"
        try:
            if key:
                read_key(preset, base_url, api_key_env)
        except UsageError as error:
            yield f"{where}: {error}"


def _teacher_options(recipe: Recipe) -> Iterator[str]:
    """What is asked of a teacher and it cannot do."""
    from factory.sampling.presets import LOCAL, PRESETS
    from factory.sampling.truncation import Truncation

    section = recipe.generate
    if section.batch and section.teacher in LOCAL:
        yield f"generate.batch: teacher {section.teacher} has no Batch API - set generate.batch=false"
    if section.batch and find_spec("openai") is None:
        yield "generate.batch needs openai - pip install 'cot-factory[batch]'"
    preset = PRESETS.get(section.teacher)
    if section.teacher in (*PRESETS, *LOCAL):
        try:
            Truncation(section.truncation, preset, batch=section.batch)
        except UsageError as error:
            yield f"generate.{error}"


def _columns(recipe: Recipe) -> Iterator[str]:
    from schemas import TABLES

    names = TABLES["labelled"].names
    for name in recipe.datasets.balance:
        if name not in names:
            near = did_you_mean(name, names)
            yield f"datasets.balance: no column {name} - {near or 'factory schema labelled lists the columns'}"


def has_hub_token() -> bool:
    """Whether the Hub knows who asks; off-line the rows come from its cache, which asks nobody."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    kept = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").is_file()
    return kept or bool(os.environ.get("HF_TOKEN")) or os.environ.get("HF_HUB_OFFLINE") == "1"
