"""What happens beside the training loop: progress, `metrics.jsonl`, rollouts, sealed checkpoints, and how a run ends early."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import polars as pl
import torch
from transformers import TrainerCallback

from factory.atomic import atomic_path, read_json, write_json
from factory.errors import FactoryError, UsageError
from factory.progress import Task
from factory.run.tables import file_facts
from train.say import say
from train.stage import Job

Logs = dict[str, Any] | None


class Progress(TrainerCallback):
    """Advance the progress bar by one each optimiser step, with loss or reward beside it."""

    def __init__(self, task: Task, resumed: int = 0) -> None:
        """`resumed`: steps that an earlier attempt has done."""
        self.task, self.seen = task, resumed
        self.facts: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell the bar how many steps there are."""
        self.task.total(state.max_steps)
        self.task.there(self.seen)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step."""
        self.task.advance(state.global_step - self.seen, **self.facts)
        self.seen = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Logs = None, **_: Any) -> None:
        """Remember what is shown beside the bar."""
        names = {"loss": "loss", "reward": "reward", "rewards/accuracies": "accuracy", "temperature": "T"}
        for name, label in names.items():
            value = (logs or {}).get(name)
            if isinstance(value, float | int):
                self.facts[label] = f"{value:.3g}"


class MetricsFile(TrainerCallback):
    """One JSON line a step in `metrics.jsonl`; a resumed run cuts the lines after its checkpoint first.

    `seconds` counts from the beginning of the attempt that wrote the line.
    """

    def __init__(self, path: Path, resumed: int = 0) -> None:
        """`resumed`: step of the checkpoint that the run resumes from; 0 starts a new file."""
        self.path, self.began = path, time.monotonic()
        if os.environ.get("RANK", "0") != "0":
            return
        kept = []
        if resumed and path.exists():
            lines = path.read_text("utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= resumed]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in kept), "utf-8")

    def on_log(self, args: Any, state: Any, control: Any, logs: Logs = None, **_: Any) -> None:
        """Append what was logged; the summary at the end is the manifest's."""
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            with self.path.open("a", encoding="utf-8") as handle:
                facts = {"step": state.global_step, "seconds": round(time.monotonic() - self.began, 3)}
                handle.write(json.dumps(facts | logs, default=float) + "\n")


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

    def on_log(self, args: Any, state: Any, control: Any, logs: Logs = None, **_: Any) -> None:
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
            "choose prompts that this student answers sometimes (rl_prompts.low and high), or raise train.rl.group_size "
            "(with rebalance: oversample or max_accuracy)"
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

    def write(rows: list[dict[str, Any]]) -> None:
        suffix = f"-{rank}" if rank else ""
        path = folder / f"step-{rows[0]['step']:05d}{suffix}.parquet"
        with atomic_path(path) as temporary:
            pl.DataFrame(rows, infer_schema_length=None).write_parquet(temporary)

    return write


SEAL = "sealed.json"
"""Names, sizes and digests of a checkpoint's files, written last."""


class SealCheckpoints(TrainerCallback):
    """Write the seal once all processes have written their files, so that a torn or rotten checkpoint is known.

    transformers writes a checkpoint file by file; a kill or a full disk in between leaves a folder that looks like one.
    """

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint was written."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_json(folder / SEAL, _facts(folder, file_facts))


def _facts(folder: Path, fact: Callable[[Path], Any]) -> dict[str, Any]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != SEAL)
    return {os.path.relpath(path, folder): fact(path) for path in files}


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint is sealed and its files are those that were sealed; seals of former versions hold sizes."""
    try:
        sealed = read_json(folder / SEAL)
    except UsageError:
        return False
    former = isinstance(sealed, dict) and all(isinstance(each, int) for each in sealed.values())
    return bool(sealed == _facts(folder, (lambda path: path.stat().st_size) if former else file_facts))


def checkpoints(job: Job) -> list[Path]:
    """The stage's checkpoint folders, whole or torn, the latest first."""
    found = job.checkpoints.glob("checkpoint-*")
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


class Watchdog(TrainerCallback):
    """Ends the process when no phase has begun for `seconds`; use as a context manager around training.

    vLLM may no longer answer, a rank wait for another, a checker be stuck. A hung collective or server cannot be
    interrupted from Python, so the process is ended; the last checkpoint stays.
    """

    def __init__(self, stage: str, seconds: float) -> None:
        """`seconds`: longest time that a single phase (sampling, scoring, learning) may take."""
        self.stage, self.seconds = stage, seconds
        self.phase, self.since, self.step = "starting", time.monotonic(), 0
        self._done = threading.Event()

    def __enter__(self) -> Self:
        """Start watching."""
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()

    def enter(self, phase: str) -> None:
        """A new phase begins now."""
        self.phase, self.since = phase, time.monotonic()

    def on_step_begin(self, args: object, state: object, control: object, **_: object) -> None:
        """A step begins."""
        self.step = getattr(state, "global_step", 0) + 1
        self.enter("learning")

    def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
        """A step ended; what follows is logging, saving and loading rows."""
        self.enter("saving or loading rows")

    def _watch(self) -> None:
        while not self._done.wait(min(5.0, self.seconds / 4)):
            silent = time.monotonic() - self.since
            if silent > self.seconds:
                sys.stderr.write(
                    f"train: stage {self.stage}, step {self.step}: nothing has happened for {silent:.0f} s while "
                    f"{self.phase} - if vLLM samples, look at its log; then run again with --resume, or raise "
                    f"train.{self.stage}.stall_minutes\n"
                )
                faulthandler.dump_traceback(file=sys.stderr)
                sys.stderr.flush()
                os._exit(1)
