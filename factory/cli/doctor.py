"""`factory doctor`: what is missing, shadowed or mismatched on this machine, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

EXTRAS = {
    "train": ("torch", "transformers", "trl", "datasets", "accelerate", "peft"),
    "vllm": ("vllm",),
    "ray": ("ray",),
    "hub": ("huggingface_hub", "datasets"),
    "viewer": ("duckdb", "starlette", "uvicorn"),
    "gym": ("reasoning-gym",),
}
"""Distributions that make an extra of pyproject.toml usable."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fatal` means that the factory cannot work."""

    name: str
    state: str
    mend: str = ""
    fatal: bool = False


def command() -> None:
    """Look at the installation and say what to mend; exits with 1 when something is broken."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    findings = [*check_name(), *check_core(), *check_extras(), *check_keys(), *check_machine()]
    table = Table(title="factory doctor", title_justify="left")
    for heading in ("what", "state", "how to mend"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(escape(finding.name), escape(finding.state), escape(finding.mend))
    Console().print(table)
    if any(finding.fatal for finding in findings):
        raise typer.Exit(1)


def check_name() -> list[Finding]:
    """Whether `import factory` and the `factory` command are ours; factory_boy installs the same name."""
    from importlib.metadata import packages_distributions

    import factory

    owners = set(packages_distributions().get("factory", []))
    others = sorted(owners - {"cot-factory"})
    if (
        not hasattr(factory, "__version__")
        or not (Path(str(factory.__file__)).parent / "run" / "pipeline.py").exists()
    ):
        mend = "pip uninstall factory_boy && pip install --force-reinstall --no-deps cot-factory"
        return [Finding("import factory", f"shadowed by {factory.__file__}", mend, fatal=True)]
    if others:
        mend = f"pip uninstall {' '.join(others)} && pip install --force-reinstall --no-deps cot-factory"
        return [Finding("import factory", f"also installed by {', '.join(others)}", mend, fatal=True)]
    return [Finding("import factory", f"ours, {factory.__version__}")]


def check_core() -> list[Finding]:
    """Whether every requirement of the light core is installed in an allowed version."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = [line for line in requires("cot-factory") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        return [Finding("distribution", "not installed", "pip install -e .", fatal=True)]
    return [Finding("core packages", "complete")] if not (bad := _unmet(wanted)) else bad


def _unmet(requirements: list[str]) -> list[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    found = []
    for line in requirements:
        requirement = Requirement(line)
        try:
            have = version(requirement.name)
        except PackageNotFoundError:
            found.append(Finding(requirement.name, "missing", f"pip install '{requirement}'", fatal=True))
            continue
        if not requirement.specifier.contains(have, prereleases=True):
            found.append(
                Finding(
                    requirement.name,
                    f"{have} is outside {requirement.specifier}",
                    f"pip install '{requirement}'",
                )
            )
    return found


def check_extras() -> list[Finding]:
    """Which extras are usable, and whether their versions are inside pyproject's ranges."""
    from importlib.metadata import PackageNotFoundError, requires, version

    findings = []
    for extra, names in EXTRAS.items():
        missing = []
        for name in names:
            try:
                version(name)
            except PackageNotFoundError:
                missing.append(name)
        if missing:
            findings.append(
                Finding(
                    f"extra {extra}", f"missing {', '.join(missing)}", f"pip install 'cot-factory[{extra}]'"
                )
            )
            continue
        own = [
            line.split(";")[0]
            for line in requires("cot-factory") or []
            if line.endswith(f'extra == "{extra}"')
        ]
        findings += _unmet([line.strip() for line in own]) or [Finding(f"extra {extra}", "usable")]
    return findings


def check_keys() -> list[Finding]:
    """Which teacher keys are set. Values are never shown."""
    import os

    names = ("OPENROUTER_API_KEY", "DEEPSEEK_API_KEY", "OPENAI_API_KEY", "HF_TOKEN")
    return [Finding(name, "set" if os.environ.get(name) else "not set") for name in names]


def check_machine() -> list[Finding]:
    """Python, cores, free disk, GPU."""
    import os
    import platform
    import shutil
    from importlib.util import find_spec

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    findings = [
        Finding("python", platform.python_version()),
        Finding("cores", str(os.cpu_count())),
        Finding("free disk here", f"{free:,.0f} GB", "free some space" if free < 5 else ""),
    ]
    if find_spec("torch"):
        import torch

        gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; training runs on the CPU"
        findings.append(Finding("gpu", gpu))
    return findings
