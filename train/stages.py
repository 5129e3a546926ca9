"""The training stages: make one TRL trainer, train it, and write `final/`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    PrinterCallback,
    ProgressCallback,
    Trainer,
)
from trl import DistillationTrainer, DPOTrainer, SFTTrainer

from factory.errors import FactoryError, Stopped
from factory.progress import watch
from factory.run.step import Step
from train.callbacks import (
    LoudStop,
    MetricsFile,
    Progress,
    SealCheckpoints,
    StopOnSignal,
    Watchdog,
    checkpoints,
    is_whole,
    rollout_writer,
)
from train.configs import stage_config
from train.data import TrainingRows, completion_rows, preference_rows, prompt_rows
from train.plan import GIB, peak_bytes
from train.prompts import PromptChoice
from train.rewards import VerifiedReward
from train.rl import FactoryGRPOTrainer
from train.say import say
from train.stage import Job, Trained, begin
from train.student import (
    load_model,
    load_tokenizer,
    loaded,
    merge_adapter,
)
from train.temperature import TemperatureSchedule
from train.tokens import opens_thinking, stop_tokens


def processes() -> PartialState:
    """The processes that train together; without a GPU accelerate only finds them when it is told so."""
    return PartialState(cpu=not torch.cuda.is_available())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A stage ready to train, before any weight is loaded."""

    config: Any
    tokenizer: Any
    rows: TrainingRows


def prepare(job: Job) -> Prepared:
    """Settings checked by TRL, tokenizer, and rows as they will be trained on.

    Raises:
        UsageError: settings that TRL refuses, rows too long, no chat template.
    """
    assert job.recipe.train is not None and job.parent is not None
    config = stage_config(job)
    tokenizer = load_tokenizer(job.layout.checkpoint(job.parent), job.recipe.train.student.chat_template)
    build = {"dpo": preference_rows, "distill": prompt_rows, "rl": prompt_rows}.get(
        job.stage, completion_rows
    )
    with processes().main_process_first():  # the others find its rows in the cache
        return Prepared(config, tokenizer, build(job, tokenizer))


def start(job: Job, step: Step[Trained], *, resume: bool) -> Path | None:
    """`begin` by the first process, and the checkpoint to resume from for all of them; torn ones are removed."""
    state = processes()
    if state.is_main_process:
        begin(job, step, resume=resume)
        torn = [path for path in checkpoints(job) if not is_whole(path)]
        for path in torn:
            shutil.rmtree(path)
        if torn:
            last = next(iter(checkpoints(job)), None)
            names = ", ".join(path.name for path in torn)
            say(
                f"{job.stage}: {names} is incomplete or damaged; resuming from {last.name if last else 'the start'}"
            )
    state.wait_for_everyone()
    return next(iter(checkpoints(job)), None)


def wait() -> None:
    """Until every process has come here."""
    processes().wait_for_everyone()


def train_stage(job: Job, prepared: Prepared, checkpoint: Path | None) -> dict[str, Any]:
    """Train one stage from its parent's `final/`, resuming from `checkpoint` when there is one.

    Returns:
        Fields of `Trained`.

    Raises:
        Stopped: the user stopped it; a checkpoint is saved.
        FactoryError: the run cannot come to anything (see `LoudStop`).
    """
    assert job.recipe.train is not None and job.parent is not None
    student, section = job.recipe.train.student, job.section
    config, tokenizer, rows = prepared.config, prepared.tokenizer, prepared.rows
    began = time.monotonic()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    model = load_model(job.layout.checkpoint(job.parent), student.attention)
    resumed = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    stop = StopOnSignal()
    watched = ("stop_clipped", "patience", "max_dead") if job.stage == "rl" else ()
    loud = {name: getattr(section, name) for name in watched}
    try:
        with (
            watch(f"train {job.stage}", unit="steps") as task,
            _reward(job, tokenizer) as reward,
        ):
            callbacks = [
                Progress(task, resumed),
                MetricsFile(job.folder / "metrics.jsonl", resumed),
                LoudStop(job.stage, **loud),
                SealCheckpoints(),
                stop,
            ]
            shared = {"processing_class": tokenizer, "callbacks": callbacks, "peft_config": _lora(job)}
            trainer = _trainer(job, model, config, rows, reward, resumed, shared)
            trainer.remove_callback(PrinterCallback)
            trainer.remove_callback(ProgressCallback)
            with _watched(job, trainer):
                result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            seconds = round(time.monotonic() - began, 3)
    finally:
        stop.release()
    if stop.asked and trainer.state.global_step < trainer.state.max_steps:
        raise Stopped(
            f"stage {job.stage} stopped at step {trainer.state.global_step} of {trainer.state.max_steps}",
            do="the same command with --resume goes on",
        )
    _save(job, trainer, tokenizer)
    numbers = {k: float(v) for k, v in result.metrics.items() if isinstance(v, int | float)}
    return {
        "steps": trainer.state.global_step,
        "seconds": seconds,
        "peak_gib": round(peak_bytes() / GIB, 3),
        "rows": len(rows.rows),
        "read": rows.read,
        "overlong": len(rows.overlong),
        "metrics": numbers | _last_metrics(trainer),
    }


class EncodedDPOTrainer(DPOTrainer):
    """`DPOTrainer` on rows that `train.data` has tokenised: the very ones that preflight looked at."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


def _trainer(
    job: Job, model: Any, config: Any, rows: TrainingRows, reward: Any, resumed: int, shared: dict[str, Any]
) -> Trainer:
    section = job.section
    if job.stage == "dpo":
        return EncodedDPOTrainer(
            model, args=config, train_dataset=rows.rows, eval_dataset=rows.validation, **shared
        )
    if job.stage == "distill":
        teacher = loaded(AutoModelForCausalLM, section.teacher, section.revision)
        return DistillationTrainer(
            model, teacher_model=teacher, args=config, train_dataset=rows.rows, **shared
        )
    if job.stage != "rl":
        return SFTTrainer(model, args=config, train_dataset=rows.rows, eval_dataset=rows.validation, **shared)
    trainer = FactoryGRPOTrainer(
        model,
        reward_funcs=reward,
        args=config,
        train_dataset=rows.rows,
        balance=section.rebalance,
        oversample=section.oversample,
        max_accuracy=section.max_accuracy,
        pool=rows.pool,
        choice=_choice(job, rows, resumed) if section.prompts == "online" else None,
        refill=section.refill,
        on_rollouts=rollout_writer(job.folder / "rollouts", config.process_index),
        **shared,
    )
    if section.temperature_start != section.temperature_end:
        trainer.add_callback(
            TemperatureSchedule(
                trainer, section.temperature_start, section.temperature_end, section.temperature_fraction
            )
        )
    return trainer


def _choice(job: Job, rows: TrainingRows, resumed: int) -> PromptChoice:
    """The posteriors of all prompts, as after `resumed` steps."""
    assert rows.pool is not None
    choice = PromptChoice(rows.pool["pass_rate"], rows.pool["bucket"], job.recipe.seed)
    choice.replay(job.folder / "rollouts", rows.pool["problem_id"], resumed)
    return choice


@contextmanager
def _watched(job: Job, trainer: Any) -> Iterator[None]:
    """Watch an rl stage for phases that hang."""
    if job.stage != "rl":
        yield
        return
    with Watchdog("rl", job.section.stall_minutes * 60) as watchdog:
        trainer.add_callback(watchdog)
        trainer.on_phase = watchdog.enter
        yield


@contextmanager
def _reward(job: Job, tokenizer: Any) -> Iterator[VerifiedReward | None]:
    if job.stage != "rl":
        yield None
        return
    from factory.verification import Verifier

    assert job.parent is not None
    section, parent = job.section, job.layout.checkpoint(job.parent)
    with Verifier(job.recipe.verify) as verifier:
        yield VerifiedReward(
            verifier,
            limit=section.max_completion_length,
            buffer=section.overlong_buffer,
            opened=opens_thinking(tokenizer),
            ends=[*stop_tokens(GenerationConfig.from_pretrained(parent)), tokenizer.eos_token_id],
        )


def _lora(job: Job) -> Any:
    assert job.recipe.train is not None
    lora = job.recipe.train.lora
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )


def _save(job: Job, trainer: Trainer, tokenizer: Any) -> None:
    """Write `final/`. Every process takes part in gathering the weights; the first one merges an adapter."""
    main = trainer.accelerator.is_main_process
    adapter = job.folder / "adapter"
    with finished_folder(job) as folder:
        assert job.recipe.train is not None and job.parent is not None
        if job.recipe.train.lora is None:
            trainer.save_model(str(folder))
            if main and trainer.is_fsdp_enabled:
                # Gathered weights are not tied any more: the head would be written beside the embeddings.
                load_model(folder, None).save_pretrained(folder)
        else:
            trainer.save_model(str(adapter))
            if main:
                merge_adapter(load_model(job.layout.checkpoint(job.parent), None), adapter).save_pretrained(
                    folder
                )
        if main:
            shutil.rmtree(adapter, ignore_errors=True)
            tokenizer.save_pretrained(folder)
            (folder / "training_args.bin").unlink(missing_ok=True)


@contextmanager
def finished_folder(job: Job) -> Iterator[Path]:
    """A folder that becomes `final/` only when the block ends well; the first process moves it, the others wait."""
    state = processes()
    folder = job.folder / "final.partial"
    if state.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    state.wait_for_everyone()
    yield folder
    state.wait_for_everyone()
    if state.is_main_process:
        if not any(folder.glob("*.safetensors")):
            raise FactoryError(f"stage {job.stage} wrote no weights into {folder}")
        shutil.rmtree(job.final, ignore_errors=True)
        folder.rename(job.final)
    state.wait_for_everyone()


def _last_metrics(trainer: Trainer) -> dict[str, float]:
    """The last logged value of every metric."""
    last: dict[str, float] = {}
    for line in trainer.state.log_history:
        last |= {f"last/{k}": float(v) for k, v in line.items() if isinstance(v, int | float) and k != "step"}
    return last
