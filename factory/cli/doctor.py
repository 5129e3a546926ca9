"""`factory doctor`: what is missing, shadowed or mismatched on this machine, and how to fix it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, requires, version
from pathlib import Path
from typing import Annotated

from factory.cli.flags import Use
from factory.cli.show import show
from factory.config.generate import GenerateSection

APART = (
    "both install a package called factory: keep them in two environments, ours with `pipx install cot-factory` or in a "
    "venv of its own"
)


QUESTION = "What is 17 + 25?"
MOST_TOKENS = 2_048
"""Of the one question that an endpoint is asked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fatal` means that the factory cannot work."""

    name: str
    state: str
    fix: str = ""
    fatal: bool = False


def command(
    endpoint: Annotated[
        GenerateSection, Use(only=("teacher", "model", "base_url", "api_key_env", "price", "max_tokens"))
    ],
) -> None:
    """Check the installation and say how to fix it; exits with 1 when something is broken.

    With --teacher, ask that endpoint one small question instead, and say what came back.

    factory doctor --teacher vllm --base-url http://localhost:8000/v1
    """
    import click

    if "teacher" in endpoint.model_fields_set:
        findings = list(check_teacher(endpoint))
    else:
        findings = [*check_name(), *check_core(), *check_extras(), *check_keys(), *check_machine()]
    show("factory doctor", ("what", "state", "how to fix"), [(f.name, f.state, f.fix) for f in findings])
    if any(finding.fatal for finding in findings):
        raise click.exceptions.Exit(1)


def check_teacher(section: GenerateSection) -> Iterator[Finding]:
    """Whether an endpoint answers, as which model, with which reasoning and usage. Costs one request."""
    from tempfile import TemporaryDirectory

    import polars as pl

    from factory.errors import FactoryError
    from factory.sampling.problems import sample_problems
    from factory.sampling.sampler import SamplingParams
    from factory.sources.problems import read_problems
    from factory.steps.teacher import teacher

    if section.teacher == "procedural":  # it works out what its own families ask, nothing else
        asked = read_problems(["procedural:countdown?count=1"], seed=0).rows
    else:
        asked = pl.DataFrame({"id": ["doctor"], "problem": [QUESTION], "source": ["doctor"]})
    params = SamplingParams(section.temperature, section.top_p, min(section.max_tokens, MOST_TOKENS))
    try:
        sampler = teacher(section, 0)
        yield Finding("key", "there, or none is needed")
        with TemporaryDirectory() as store:
            row = sample_problems(
                asked,
                sampler,
                1,
                params,
                prompt=section.prompt,
                system=None,
                store=Path(store),
                what="asking",
            ).row(0, named=True)
    except FactoryError as error:
        yield Finding(section.teacher, "cannot be used", str(error), fatal=True)
        return
    if row["status"] == "failed":
        yield Finding(section.teacher, "gave no answer", str(row["error"])[:300], fatal=True)
        return
    said = " ".join((row["content"] or "").split())[:60]
    yield Finding(section.teacher, f"answered: {said or 'nothing'}", "" if said else row["status"])
    served = row["served_model"] or "not named"
    other = served not in (row["model"], "not named")
    yield Finding("model", f"asked for {row['model']}, served {served}", "check --model" if other else "")
    found = row["reasoning"] or ""
    no_trace = "no trace: ask the server for one (vLLM: --reasoning-parser), or choose a model that reasons"
    yield Finding("reasoning", f"{len(found):,} characters" if found else "none", "" if found else no_trace)
    yield Finding("tokens", f"{row['prompt_tokens']:,} in, {row['completion_tokens']:,} out")
    known = row["usd"] is not None
    price = (
        f"${row['usd']:.6f} for this request" if row["usd"] else "it costs nothing" if known else "not known"
    )
    yield Finding("price", price, "" if known else "--price IN,OUT, for a cap in dollars")


def check_name() -> Iterator[Finding]:
    """Whether `import factory` is ours; factory_boy installs a package of that name, too."""
    import factory

    others = ", ".join(sorted(set(packages_distributions().get("factory", [])) - {"cot-factory"}))
    ours = (
        hasattr(factory, "__version__")
        and (Path(str(factory.__file__)).parent / "pipeline" / "run.py").exists()
    )
    if not ours or others:
        state = f"also installed by {others}" if ours else f"shadowed by {factory.__file__}"
        yield Finding("import factory", state, APART, fatal=True)
    else:
        yield Finding("import factory", f"ours, {factory.__version__}")


def check_core() -> Iterator[Finding]:
    """Whether every requirement of the light core is installed in an allowed version."""
    try:
        wanted = [line for line in requires("cot-factory") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding("distribution", "not installed", "pip install -e .", fatal=True)
        return
    faults = list(_unmet(wanted, fatal=True))
    yield from faults or [Finding("core packages", "complete")]


def check_extras() -> Iterator[Finding]:
    """Which extras are usable, and whether their versions are inside pyproject's ranges."""
    try:
        extras = metadata("cot-factory").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return
    for extra in (each for each in extras if each != "test"):
        ends = (f'extra == "{extra}"', f"extra == '{extra}'")
        wanted = [line.split(";")[0].strip() for line in requires("cot-factory") or [] if line.endswith(ends)]
        faults = list(_unmet(wanted, fatal=False))
        if missing := [fault.name for fault in faults if fault.state == "missing"]:
            yield Finding(
                f"extra {extra}", f"missing {', '.join(missing)}", f"pip install 'cot-factory[{extra}]'"
            )
        else:
            yield from faults or [Finding(f"extra {extra}", "usable")]


def _unmet(lines: Iterable[str], *, fatal: bool) -> Iterator[Finding]:
    from packaging.requirements import Requirement

    for line in lines:
        requirement = Requirement(line)
        fix = f"pip install '{requirement}'"
        try:
            have = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "missing", fix, fatal=fatal)
            continue
        if not requirement.specifier.contains(have, prereleases=True):
            yield Finding(requirement.name, f"{have} is outside {requirement.specifier}", fix)


def check_keys() -> Iterator[Finding]:
    """Which keys are set, and which teachers need them. Values are never shown."""
    from factory.sampling.presets import PRESETS

    users: dict[str, list[str]] = {}
    for preset in PRESETS.values():
        if preset.key_env:
            users.setdefault(preset.key_env, []).append(preset.name)
    users["HF_TOKEN"] = ["publish", "gated data sets"]
    for name, needed in users.items():
        there = bool(os.environ.get(name))
        yield Finding(name, "set" if there else "not set", "" if there else f"needed by {', '.join(needed)}")


def check_machine() -> Iterator[Finding]:
    """Python, cores, free disk, GPU."""
    import platform
    import shutil

    from factory.sampling.vllm_engine import has_gpu

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    yield Finding("python", platform.python_version())
    yield Finding("cores", str(os.cpu_count()))
    yield Finding("free disk here", f"{free:,.0f} GB", "free some space" if free < 5 else "")
    yield Finding("gpu", "found" if has_gpu() else "none; training runs on the CPU")
