"""Loud stops, the metrics file, stopping on request, and the watchdog."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from factory.errors import FactoryError
from train.callbacks import LoudStop, MetricsFile, StopOnSignal


def state(step=1, steps=10):
    return SimpleNamespace(global_step=step, max_steps=steps, is_world_process_zero=True)


def log(callback, step=1, **logs):
    callback.on_log(None, state(step), None, logs=logs)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_step_and_remedy(name, value):
    with pytest.raises(
        FactoryError, match=rf"stage sft, step 7: {name} is {value} - lower train.sft.learning_rate"
    ):
        log(LoudStop("sft"), 7, **{name: value})
    log(LoudStop("sft"), 7, **{name: 0.5})


def test_clipped_completions_stop_only_when_they_persist():
    stop = LoudStop("rl", stop_clipped=0.8, patience=3)
    for clipped in (0.9, 0.9, 0.5, 0.9, 0.9):
        log(stop, **{"completions/clipped_ratio": clipped, "reward": 0.0})
    with pytest.raises(
        FactoryError, match=r"90% of the completions were truncated for 3 steps .*max_completion_length"
    ):
        log(stop, **{"completions/clipped_ratio": 0.9, "reward": 0.0})


def test_reward_that_stays_at_minus_one_stops():
    stop = LoudStop("rl", patience=2)
    log(stop, **{"completions/clipped_ratio": 0.0, "reward": -1.0})
    log(stop, **{"completions/clipped_ratio": 0.0, "reward": -0.9})
    log(stop, **{"completions/clipped_ratio": 0.0, "reward": -1.0})
    with pytest.raises(FactoryError, match="every reward was -1 for 2 steps"):
        log(stop, **{"completions/clipped_ratio": 0.0, "reward": -1.0})


def test_importance_ratio_far_from_one_stops_when_it_lasts_and_is_taken_per_token():
    healthy = {"completions/clipped_ratio": 0.0, "reward": 0.0}
    far = healthy | {"sampling/importance_sampling_ratio/mean": 0.31}
    stop = LoudStop("rl", patience=2)
    log(stop, **healthy, **{"sampling/importance_sampling_ratio/mean": 1.02})
    log(stop, **far)
    log(stop, **healthy, **{"sampling/importance_sampling_ratio/mean": 0.97})
    log(stop, **far)
    with pytest.raises(FactoryError, match=r"mean ratio 0.31, expected 1, for 2 steps.*rotary factors"):
        log(stop, **far)
    products = LoudStop("rl", patience=1)
    sequence = SimpleNamespace(vllm_importance_sampling_mode="sequence_mask")
    products.on_log(sequence, state(), None, logs=far)


def test_groups_without_signal_warn_and_then_stop(capsys):
    """31 of 40 steps without a gradient went unnoticed: the reward was neither -1 nor truncated."""
    numbers = {"completions/clipped_ratio": 0.0, "reward": 0.9}
    stop = LoudStop("rl", patience=3, max_dead=0.5)
    for dead in (0.4, 0.5, 0.6):
        log(stop, **numbers, dead_groups=dead)
    assert capsys.readouterr().err == ""
    for _ in range(2):
        log(stop, **numbers, dead_groups=0.9)
    assert capsys.readouterr().err.count("67% of the groups gave no signal over the last 3 steps") == 1
    log(stop, **numbers, dead_groups=1.0)
    with pytest.raises(FactoryError, match=r"97% of the groups .*rl_prompts"):
        log(stop, **numbers, dead_groups=1.0)


def test_metrics_after_the_checkpoint_are_cut_on_resume_and_a_torn_line_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = MetricsFile(path)
    for step in (1, 2, 3):
        log(first, step, loss=float(step))
    with path.open("a") as handle:
        handle.write('{"step": 4, "lo')
    again = MetricsFile(path, resumed=2)
    log(again, 3, loss=3.5)
    log(again, 3, train_runtime=1.0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(line.pop("seconds") >= 0 for line in lines)
    assert lines == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 2.0},
        {"step": 3, "loss": 3.5},
    ]
    MetricsFile(path)
    assert path.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_saves_and_stops_second_interrupts(number):
    before = signal.getsignal(number)
    stop, control = StopOnSignal(), SimpleNamespace(should_save=False, should_training_stop=False)
    try:
        os.kill(os.getpid(), number)
        stop.on_step_end(SimpleNamespace(device="cpu"), state(3), control)
        assert control.should_save and control.should_training_stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 0.01)
    finally:
        stop.release()
    assert signal.getsignal(number) is before


def test_watchdog_ends_a_process_that_hangs_and_names_the_phase():
    code = (
        "import time\nfrom train.callbacks import Watchdog\n"
        "with Watchdog('rl', 0.4) as dog:\n"
        "    for _ in range(4):\n        dog.enter('scoring')\n        time.sleep(0.2)\n"
        "    dog.enter('sampling with vLLM')\n    time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "while sampling with vLLM" in done.stderr and "stall_minutes" in done.stderr
