"""The student and its four training stages. Validated here without torch; read by `train/`.

Defaults are the paper's where it gives a figure (marks as in `recipes/phi4_mini_reasoning.yaml`). Whatever TRL offers
beyond these few fields goes through `trl:` under TRL's own names and is checked against the installed version.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factory.config.base import Section

OWN = {
    "tiny": "a small Phi-3-class model built in code",
    "tiny_base": "the small pretrained model that ships with its recipes",
}
"""Students that come with the project, and what they are."""


class StudentSection(Section):
    """Which model is trained."""

    model: str = "tiny"
    """`tiny` builds a small Phi-3-class model in code, `tiny_base` is the small pretrained one that ships with the recipes;
    else a checkpoint folder or a Hub id."""
    revision: str | None = None
    """Commit or tag of a Hub model."""
    hidden_size: int = Field(192, ge=16)
    """Tiny model only: width; must be a multiple of `heads`."""
    layers: int = Field(4, ge=1)
    """Tiny model only: decoder layers."""
    heads: int = Field(4, ge=1)
    """Tiny model only: attention heads."""
    vocabulary: int = Field(512, ge=256)
    """Tiny model only: size of the byte-level vocabulary learnt from the run's midtrain set; 256 learns nothing and
    reads bytes. Digits are never merged."""
    positions: int = Field(2048, ge=64)
    """Tiny model only: longest sequence."""
    chat_template: str | None = None
    """Jinja file that replaces the tokenizer's chat template in every stage."""
    pad_token: str | None = None
    """Padding token; by default the checkpoint's own, and where that one is missing or ends a turn, an unused special
    token of its vocabulary, else a new one."""
    long_factors: bool = False
    """LongRoPE models (Phi-4-mini): rotate by the long factors at every length, as vLLM does with a context beyond the
    original one. transformers otherwise goes by the longest row of a batch, so a short row depends on its neighbours."""
    attention: str | None = None
    """Attention implementation: `flash_attention_2`, `sdpa`, ...; the model's own by default."""

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        return self

    @property
    def checkpoint(self) -> str:
        """What transformers loads: `model`, or the folder of the shipped base."""
        return str(resources.files("recipes") / self.model) if self.model == "tiny_base" else self.model


class LoraSection(Section):
    """Low-rank adapters instead of full fine-tuning. Every stage merges its adapter once, in float32."""

    rank: int = Field(16, ge=1)
    """Rank of the update."""
    alpha: int = Field(32, ge=1)
    """Scale: the update counts alpha / rank."""
    dropout: ClassVar[float] = 0.0
    """Dropout on the adapter's input."""
    targets: ClassVar[str] = "all-linear"
    """Modules that get an adapter."""


class StageSection(Section):
    """What all stages share."""

    enabled: bool = True
    """Skip the stage when false; the next one starts from its parent."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the set."""
    max_steps: int | None = Field(None, ge=1)
    """Optimiser steps; overrides `epochs`."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    warmup: ClassVar[float] = 0.0
    """Share of the steps over which the learning rate rises; `trl: {warmup_steps: ...}` changes it."""
    schedule: ClassVar[str] = "linear"
    """Learning-rate schedule by its transformers name; `trl: {lr_scheduler_type: ...}` changes it."""
    batch_size: int = Field(128, ge=1)
    """Rows an optimiser step, over all devices."""
    micro_batch_size: int = Field(1, ge=1)
    """Rows a device holds at once."""
    trl: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the stage's TRL config, by their own names."""

    @model_validator(mode="after")
    def _whole_micro_batches(self) -> Self:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class CompletionStageSection(StageSection):
    """A stage that learns completions."""

    learning_rate: float = Field(1e-5, gt=0)
    """Peak learning rate (paper: 1e-5 in both, [2nd x2])."""
    epochs: float = Field(5.0, gt=0)
    """Passes over the set (paper: 5 in both, [2nd x2])."""
    max_length: int = Field(16_384, ge=8)
    """Longest row, or pack, in tokens."""
    overlong: Literal["drop", "truncate", "raise"] = "drop"
    """Rows over `max_length`: leave them out, cut them (they then teach not to stop), or refuse to train."""
    validation: float = Field(0.0, ge=0, lt=1)
    """Share of the problems held out; the checkpoint with the least loss on them becomes `final/`. 0: the last one."""
    loss_on_prompt: bool = False
    """Learn the prompt's tokens too."""


class MidtrainSection(CompletionStageSection):
    """Stage 1: packed next-token training on the whole verified set."""

    packing: bool = True
    """Fill each row with several documents; attention stays within each (paper: yes, [2nd])."""
    warmup: ClassVar[float] = 0.1
    """Share of the steps over which the learning rate rises (paper: 10%, [2nd])."""


class SFTSection(CompletionStageSection):
    """Stage 2: unpacked fine-tuning on the compact subset; learns where to stop."""

    packing: bool = False
    """Paper: no packing in this stage, so that the model learns where to stop [2nd]."""
    max_length: int = Field(20_480, ge=8)
    """Longest row in tokens (paper: 20K, [2nd])."""


DPOLoss = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop",
]  # fmt: skip
RLLoss = Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "luspo", "sapo", "vespo"]


class DPOSection(StageSection):
    """Stage 3: Rollout DPO against the stage-2 model."""

    learning_rate: float = Field(5e-7, gt=0)
    """Peak learning rate (paper: 5e-7, [2nd x2])."""
    max_length: int = Field(16_384, ge=8)
    """Longest prompt + answer in tokens (paper: 16K, [2nd])."""
    overlong: Literal["drop", "truncate", "raise"] = "drop"
    """Pairs with a side over `max_length`."""
    validation: float = Field(0.0, ge=0, lt=1)
    """Share of the problems held out; the checkpoint with the least loss on them becomes `final/`. 0: the last one."""
    beta: float = Field(0.1, gt=0)
    """Strength of the pull to the reference (not found in the paper; DPO's usual value)."""
    loss: DPOLoss = "sigmoid"
    """Any loss of TRL's; plain DPO as the paper. `sigmoid_norm` takes per-token mean log-probabilities (use a larger beta, 1 to 5)."""
    sft_weight: float = Field(0.0, ge=0)
    """Weight of a supervised loss on the chosen side; keeps its probability from falling."""


RL_SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"rebalance": True, "max_accuracy": 0.5, "temperature_end": 0.6, "prompts": "in_order"},
    "modern": {"trl": {"epsilon_high": 0.28}},
}
"""What `train.rl.settings` stands for, beside the defaults of the keys: the paper's stabilisers (docs/paper.md); or none of
them, DAPO's clip-higher (arXiv 2503.14476) and prompts chosen online. Both average over tokens (`loss: dapo`)."""


class DistillSection(StageSection):
    """On-policy distillation: the student learns the teacher's next-token distribution on its own answers to the rl prompts.

    Not of the paper. It runs before `rl`, or in its place (`rl.enabled: false`).
    """

    enabled: bool = False
    """On as soon as a teacher is named; false leaves it out all the same."""
    teacher: str | None = None
    """Checkpoint folder or Hub id of the teacher, with the student's tokenizer and chat template."""
    revision: str | None = None
    """Commit or tag of a Hub teacher."""
    learning_rate: float = Field(1e-6, gt=0)
    """Peak learning rate (TRL's default)."""
    batch_size: int = Field(64, ge=1)
    """Answers an optimiser step learns from, over all devices."""
    max_completion_length: int = Field(8_192, ge=8)
    """Longest answer in tokens."""
    max_prompt_length: int = Field(1_024, ge=1)
    """Prompts longer than this are dropped."""
    vllm: Literal["off", "colocate", "server"] = "off"
    """Answers by vLLM, as in `rl`."""
    group_size: ClassVar[int] = 1
    """Answers per prompt."""
    rebalance: ClassVar[bool] = False
    """There is no reward."""

    @model_validator(mode="before")
    @classmethod
    def _on_with_a_teacher(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("teacher") is not None:
            return {"enabled": True, **data}
        return data

    @model_validator(mode="after")
    def _has_a_teacher(self) -> Self:
        if self.enabled and self.teacher is None:
            raise ValueError("enabled needs a teacher")
        return self


class RLSection(StageSection):
    """Stage 4: group-relative policy optimisation with reward +1 (verified correct) or -1."""

    later: ClassVar[Mapping[str, Any]] = {"settings": None, "prompts": "in_order", "refill": 0}
    settings: Literal["paper", "modern"] | None = "modern"
    """Values for keys that the recipe does not give: `paper`, its stabilisers; `modern`, clip-higher and online prompts
    without them, which measures better (docs/staircase.md)."""

    learning_rate: float = Field(5e-7, gt=0)
    """Peak learning rate (paper: 5e-7, [2nd x2])."""
    schedule: ClassVar[str] = "constant"
    """Learning-rate schedule (not found in the paper; DAPO's)."""
    batch_size: int = Field(64, ge=2)
    """Completions an optimiser step learns from, over all devices: prompts x `group_size`."""
    group_size: int = Field(8, ge=2)
    """Completions a prompt that are learned from (not found in the paper)."""
    max_completion_length: int = Field(24_576, ge=8)
    """Longest completion in tokens (paper: 25K in all, [2nd])."""
    max_prompt_length: int = Field(1_024, ge=1)
    """Prompts longer than this are dropped."""
    temperature_start: float = Field(1.0, gt=0)
    """Sampling temperature at the first step (paper: 1.0, [2nd])."""
    temperature_end: float = Field(1.0, gt=0)
    """Temperature after annealing (`paper`: 0.6, [2nd]); equal to the start switches annealing off, above it raises
    the temperature instead (POLARIS)."""
    temperature_fraction: float = Field(0.5, gt=0, le=1)
    """Share of the steps over which the temperature moves, linearly (paper: 50%, [2nd])."""
    top_p: ClassVar[float] = 1.0
    """Nucleus mass of rollouts."""
    rebalance: bool = False
    """Learn from all right and equally many random wrong completions of a prompt (`paper`, [2nd])."""
    oversample: int = Field(2, ge=1)
    """With `rebalance`: sample this many times `group_size` per prompt and choose from them."""
    max_accuracy: float = Field(1.0, gt=0, le=1)
    """With `rebalance`: prompts answered right more often than this give no signal (paper: e.g. 50%, [2nd]). Off by
    default: as a running filter it stops every prompt at that accuracy, and the better the student the less it learns."""
    max_dead: float = Field(0.5, ge=0, le=1)
    """Largest share of groups without signal: a forecast above it is refused, a run above it warns."""
    prompts: Literal["in_order", "online"] = "online"
    """Which prompts a step samples: those of the set in turn (`paper`), or those that the student solves about half of the
    time by its rollouts so far (MoPPS, arXiv 2507.04632)."""
    refill: int = Field(1, ge=0, le=8)
    """With `prompts: online` (0 without): replace groups without signal by new prompts, at most so many times a step (dynamic
    sampling, DAPO, arXiv 2503.14476)."""
    loss: RLLoss = "dapo"
    """Any loss of TRL's. `dapo` divides by the tokens that count, so dead groups do not dilute it."""
    epsilon: ClassVar[float] = 0.2
    """Lower and upper clip of the probability ratio; `trl: {epsilon_high: 0.28}` is DAPO's clip-higher."""
    beta: float = Field(0.0, ge=0)
    """Weight of the KL term to the parent model; 0 leaves it out."""
    overlong_buffer: int = Field(0, ge=0)
    """Soft overlong punishment (DAPO): the reward falls by up to 1 over the last so many tokens; 0 switches it off."""
    vllm: Literal["off", "colocate", "server"] = "off"
    """Rollouts by vLLM in the trainer's own process, by a vLLM server, or by transformers."""
    stop_clipped: ClassVar[float] = 0.9
    """Stop when a larger share of completions than this is cut, `patience` steps in a row."""
    patience: ClassVar[int] = 20
    """Steps in a row before a run that learns nothing is stopped."""
    stall_minutes: float = Field(60.0, gt=0)
    """Stop when sampling, scoring or learning of a single step takes longer than this."""

    @model_validator(mode="before")
    @classmethod
    def _named_settings(cls, data: Any) -> Any:
        word = data.get("settings", "modern") if isinstance(data, dict) else None
        if not isinstance(word, str) or not isinstance(data.get("trl") or {}, dict):
            return data
        named = RL_SETTINGS.get(word, {})
        trl = {**named.get("trl", {}), **(data.get("trl") or {})}
        found = {**named, **data, "trl": trl}
        return found if found.get("prompts") != "in_order" or "refill" in data else {**found, "refill": 0}

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.batch_size % self.group_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of group_size {self.group_size}"
            )
        if self.overlong_buffer >= self.max_completion_length:
            raise ValueError("overlong_buffer must be smaller than max_completion_length")
        if self.refill and self.prompts != "online":
            raise ValueError("refill needs prompts: online")
        return self


class TrainSection(Section):
    """The four stages of the paper (docs/paper.md, Stages)."""

    student: StudentSection = StudentSection()
    """The model."""
    lora: LoraSection | None = None
    """Adapters instead of full fine-tuning; null trains every weight."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the arithmetic; `auto` is bfloat16 on a GPU and float32 on a CPU."""
    save_every: float = Field(0.1, gt=0)
    """Steps between checkpoints; below 1 it is a share of the stage. A killed stage resumes from the last one: set it
    lower where a stage takes days."""
    tracker: Literal["none", "trackio", "wandb", "tensorboard"] = "trackio"
    """Where curves go besides `metrics.jsonl`: files in the run's folder, looked at while a stage trains. wandb is kept
    off-line unless `WANDB_MODE=online`."""
    midtrain: MidtrainSection = MidtrainSection()
    """Stage 1."""
    sft: SFTSection = SFTSection()
    """Stage 2."""
    dpo: DPOSection = DPOSection()
    """Stage 3."""
    distill: DistillSection = DistillSection()
    """On-policy distillation, off by default."""
    rl: RLSection = RLSection()
    """Stage 4."""
