"""The model card of a stage: lineage back to the base, data, settings, results; every figure from the run's files.

TRL writes `base_model: None` for a model that was loaded from a folder, so lineage would be lost from the second stage
on. This card reads the chain of manifests instead. `python -m train.card RUN` writes all cards of a run again, for
instance after an evaluation.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import yaml

from factory.atomic import atomic_path
from factory.config.train import OWN
from factory.evaluation.stages import stage_scores
from factory.run.layout import STAGES, RunLayout
from factory.run.parts import MANIFEST
from train.stage import Trained, manifest_of, summary_of

WHAT = {
    "base": "the untrained student",
    "midtrain": "packed next-token training on every verified chain of thought",
    "sft": "fine-tuning on the compact subset, unpacked",
    "dpo": "Rollout DPO: verified correct against verified incorrect answers",
    "distill": "on-policy distillation: the teacher's next-token distribution on the student's own answers",
    "rl": "RL with verifiable reward (+1 correct, -1 not)",
}


def write_card(layout: RunLayout, stage: str) -> None:
    """Write `train/<stage>/final/README.md`."""
    manifest, summary = manifest_of(layout, stage), summary_of(layout, stage)
    base = summary.base_model
    head: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["cot-factory", stage, *summary.lineage],
    }
    if base not in OWN and not Path(base).is_absolute():
        head["base_model"] = base
    made_from = OWN.get(base, f"`{base}`")
    parts = [
        f"# {summary.recipe}: {stage}",
        f"{WHAT[stage][0].upper()}{WHAT[stage][1:]}. Made by `cot-factory` {manifest['factory_version']} from {made_from}.",
        "## Lineage",
        _lineage(layout, summary.lineage),
        _evaluation(layout, summary.lineage),
        "## Settings of this stage",
        "```yaml\n" + yaml.safe_dump(manifest["settings"]["stage"], sort_keys=False).strip() + "\n```",
        "## What was measured",
        _measured(summary),
        "## Packages",
        ", ".join(f"{name} {version}" for name, version in summary.packages.items() if name != "python"),
    ]
    text = "\n\n".join(p for p in parts if p)
    with atomic_path(layout.checkpoint(stage) / "README.md") as temporary:
        temporary.write_text(f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{text}\n", "utf-8")


def write_cards(layout: RunLayout) -> list[str]:
    """Write the cards of all finished stages again; returns their names."""
    done = [s for s in ("base", *STAGES) if (layout.checkpoint(s) / MANIFEST).exists()]
    for stage in done:
        write_card(layout, stage)
    return done


def _lineage(layout: RunLayout, stages: list[str]) -> str:
    rows = [
        "| stage | parent | rows | steps | data (sha256) | weights (sha256) |",
        "|---|---|--:|--:|---|---|",
    ]
    for stage in stages:
        manifest, summary = manifest_of(layout, stage), summary_of(layout, stage)
        data = manifest["inputs"].get("rows")
        rows.append(
            f"| {stage} | {summary.parent or '-'} | {summary.rows or '-'} | {summary.steps or '-'} | "
            f"{f'`{data[:12]}`' if data else '-'} | `{manifest['output_digest'][:12]}` |"
        )
    return "\n".join(rows)


def _evaluation(layout: RunLayout, stages: list[str]) -> str:
    """pass@1 with its interval, by stage and benchmark; empty when nothing was evaluated."""
    rows = [
        f"| {s.stage} | {s.benchmark} | {s.value:.1%}{s.beside} | {s.low:.1%} to {s.high:.1%} | {s.questions} |"
        for s in stage_scores(layout.run)[0]
        if s.stage in stages
    ]
    head = [
        "## Evaluation",
        "",
        "| stage | benchmark | pass@1 | 95% interval | questions |",
        "|---|---|--:|--:|--:|",
    ]
    return "\n".join([*head, *rows]) if rows else ""


def _measured(summary: Trained) -> str:
    facts = {
        "steps": summary.steps,
        "seconds": summary.seconds,
        "rows trained on": summary.rows,
        "rows over the length": summary.overlong,
        **{k.removeprefix("last/"): v for k, v in summary.metrics.items() if k.startswith("last/")},
    }
    return "\n".join(f"- {name}: {json.dumps(value)}" for name, value in facts.items())


if __name__ == "__main__":
    write_cards(RunLayout(Path(sys.argv[1])))
