"""What happens beside the training loop: progress, `metrics.jsonl`, rollouts, stopping on request, loud stops."""

from __future__ import annotations

import json
import math
import os
import signal
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback

from factory.errors import FactoryError
from factory.progress import Task
from train.say import say


class Progress(TrainerCallback):
    """Advance the progress bar by one each optimiser step, with loss or reward beside it."""

    def __init__(self, task: Task, resumed: int = 0) -> None:
        """`resumed`: steps that an earlier attempt has done."""
        self.task, self.seen = task, resumed
        self.facts: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell the bar how many steps there are."""
        self.task.total(state.max_steps - self.seen)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step."""
        self.task.advance(state.global_step - self.seen, **self.facts)
        self.seen = state.global_step

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Remember what is shown beside the bar."""
        names = {"loss": "loss", "reward": "reward", "rewards/accuracies": "accuracy", "temperature": "T"}
        for name, label in names.items():
            value = (logs or {}).get(name)
            if isinstance(value, float | int):
                self.facts[label] = f"{value:.3g}"


class MetricsFile(TrainerCallback):
    """One JSON line a step in `metrics.jsonl`; a resumed run cuts the lines after its checkpoint first."""

    def __init__(self, path: Path, resumed: int = 0) -> None:
        """`resumed`: step of the checkpoint that the run goes on from; 0 starts the file anew."""
        self.path = path
        if os.environ.get("RANK", "0") != "0":
            return
        kept = []
        if resumed and path.exists():
            lines = path.read_text("utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= resumed]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in kept), "utf-8")

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Append what was logged; the summary at the end is the manifest's."""
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            with self.path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps({"step": state.global_step, **logs}, default=float) + "\n")


class StopOnSignal(TrainerCallback):
    """Ctrl-C or SIGTERM: finish the step, save a checkpoint, stop. A second Ctrl-C stops at once."""

    def __init__(self) -> None:
        """Takes the signals over; `release` gives them back."""
        self.asked = False
        self.before: dict[int, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def release(self) -> None:
        """Put the former handlers back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and stop when asked; all processes stop at the same step."""
        if torch.distributed.is_initialized():
            asked = torch.tensor(float(self.asked), device=args.device)
            torch.distributed.all_reduce(asked)
            self.asked = bool(asked.item())
        if self.asked and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True


HOPELESS = 0.95
"""Mean share of groups without signal above which an rl run is stopped."""


class LoudStop(TrainerCallback):
    """End a diverged run, and say why: a loss that is no number, or an rl run without signal.

    What rl shows has to last `patience` steps, so that one odd step ends nothing.
    """

    def __init__(
        self, stage: str, *, stop_clipped: float = 1.0, patience: int = 20, max_dead: float = 1.0
    ) -> None:
        """See the fields of `RLSection`."""
        self.stage, self.stop_clipped, self.patience, self.max_dead = stage, stop_clipped, patience, max_dead
        self.lasted: Counter[str] = Counter()
        self.dead: deque[float] = deque(maxlen=patience)
        self.warned = False

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Look at the step's numbers.

        Raises:
            FactoryError: with the step, the numbers and what to change.
        """
        logs = logs or {}
        where = f"stage {self.stage}, step {state.global_step}"
        for name in ("loss", "grad_norm"):
            value = logs.get(name)
            if isinstance(value, float) and not math.isfinite(value):
                raise FactoryError(
                    f"{where}: {name} is {value}",
                    do=f"lower train.{self.stage}.learning_rate or set train.precision=float32, then run again",
                )
        if "completions/clipped_ratio" not in logs:
            return
        self._rollouts(where, logs)
        if "dead_groups" in logs:
            self._signal(where, float(logs["dead_groups"]))
        per_token = str(getattr(args, "vllm_importance_sampling_mode", "token")).startswith("token")
        self._sampler(where, logs if per_token else {})

    def _last(self, name: str, *, holds: bool) -> bool:
        """Whether something has now held for `patience` steps in a row."""
        self.lasted[name] = self.lasted[name] + 1 if holds else 0
        return self.lasted[name] >= self.patience

    def _rollouts(self, where: str, logs: dict[str, Any]) -> None:
        clipped, reward = logs["completions/clipped_ratio"], logs.get("reward")
        if self._last("clipped", holds=clipped > self.stop_clipped):
            raise FactoryError(
                f"{where}: {clipped:.0%} of the completions were truncated for {self.patience} steps "
                f"(mean length {logs.get('completions/mean_length', 0):.0f} tokens)",
                do="raise train.rl.max_completion_length, or check that the student learnt to stop in sft",
            )
        if self._last("wrong", holds=reward is not None and reward <= -1.0):
            raise FactoryError(
                f"{where}: every reward was -1 for {self.patience} steps",
                do="choose easier prompts (rl_prompts.low), and look at the rollouts beside the manifest",
            )

    def _signal(self, where: str, dead: float) -> None:
        self.dead.append(dead)
        mean = sum(self.dead) / len(self.dead)
        if len(self.dead) < self.patience or mean <= self.max_dead:
            return
        text = f"{where}: {mean:.0%} of the groups gave no signal over the last {self.patience} steps"
        do = (
            "choose prompts that this student answers sometimes (rl_prompts.low and high), or raise train.rl.group_size, "
            "oversample or max_accuracy"
        )
        if mean > HOPELESS:
            raise FactoryError(text, do=do)
        if not self.warned:
            say(f"{text} - {do}")
            self.warned = True

    def _sampler(self, where: str, logs: dict[str, Any]) -> None:
        ratio = logs.get("sampling/importance_sampling_ratio/mean")
        if self._last("ratio", holds=ratio is not None and not 0.5 < ratio < 2.0):
            raise FactoryError(
                f"{where}: vLLM and the trainer give a token different probabilities (mean ratio {ratio:.2f}, expected 1, "
                f"for {self.patience} steps)",
                do="the causes, the likeliest first: other weights in vLLM (restart the server, or set "
                "trl.vllm_enable_sleep_mode=false), other rotary factors (LongRoPE), another precision",
            )


def rollout_writer(folder: Path, rank: int) -> Callable[[list[dict[str, Any]]], None]:
    """A function that writes a step's rollouts as `rollouts/step-NNNNN[-rank].parquet`."""
    import polars as pl

    from factory.atomic import atomic_path

    def write(rows: list[dict[str, Any]]) -> None:
        suffix = f"-{rank}" if rank else ""
        path = folder / f"step-{rows[0]['step']:05d}{suffix}.parquet"
        with atomic_path(path) as temporary:
            pl.DataFrame(rows, infer_schema_length=None).write_parquet(temporary)

    return write
