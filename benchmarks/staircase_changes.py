"""Changes of the staircase's recipe, each set against the unchanged run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the recipe; `stage` of the changed run is set against `against` of the unchanged one.

    With `completions` the stage stops when it has sampled as many tokens as the unchanged run's rl: so many completions a step.
    """

    name: str
    what: str
    settings: tuple[str, ...]
    stage: str
    against: str
    completions: int | None = None


CHANGES = (
    Change(
        "paper",
        "rl as the paper has it: rebalanced groups, prompts up to 50%, temperature 1.0 to 0.6, prompts in turn",
        (
            "train.rl.settings=paper",
            "train.rl.rebalance=true",
            "train.rl.temperature_end=0.6",
            "train.rl.max_accuracy=0.5",
            "train.rl.max_dead=1",
            "rl_prompts.high=0.5",
        ),
        "rl",
        "rl",
        256,
    ),
    Change(
        "distill",
        "on-policy distillation from a larger teacher in place of rl",
        (
            "train.distill.teacher={teacher}",
            "train.distill.learning_rate=2.0e-4",
            "train.distill.batch_size=128",
            "train.distill.micro_batch_size=128",
            "train.distill.max_completion_length=96",
            "train.distill.max_prompt_length=64",
            "train.rl.enabled=false",
        ),
        "distill",
        "rl",
        128,
    ),
    Change("in_turn", "rl with prompts in turn", ("train.rl.prompts=in_order", "train.rl.refill=0"), "rl", "rl", 128),
    Change(
        "longest_chosen",
        "dpo on the longest right and the shortest wrong answer",
        ("preference.rule=longest_chosen", "preference.match_length=false", "preference.max_length_bias=1.0"),
        "dpo",
        "dpo",
    ),
    Change(
        "teacher_chosen",
        "dpo with the teacher's right answers as chosen, as the paper has it",
        ("preference.chosen_from=teacher", "preference.max_duplicates=0.5", "preference.max_length_bias=1.0"),
        "dpo",
        "dpo",
    ),
    Change("no_supervised_term", "dpo without the supervised term", ("train.dpo.sft_weight=0",), "dpo", "dpo"),
    Change("supervised_alone", "the supervised term of dpo all but alone (beta 0.0001)", ("train.dpo.beta=0.0001",), "dpo", "dpo"),
    Change(
        "small_set",
        "100 rows straight on the base, 60 passes, in place of midtrain (the paper's warning)",
        ("train.midtrain.enabled=false", "datasets.sft_rows=100", "train.sft.epochs=60"),
        "sft",
        "midtrain",
    ),
    Change("no_dpo", "rl without dpo before it", ("train.dpo.enabled=false",), "rl", "rl"),
    Change(
        "once_measured",
        "rl prompts by the sft student's pass rates",
        ("rl_prompts.remeasure=false",),
        "rl",
        "rl",
    ),
)  # fmt: skip


CLEAN = ("generate.slip_rate=0", "generate.skip_rate=0", "train.midtrain.max_steps=200")
"""How distillation's teacher is trained: longer, on traces that slip and skip nowhere."""
