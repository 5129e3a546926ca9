"""What trains on an exported set: the files that a trainer wants beside the data, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

MODEL = "YOUR-MODEL"
"""Stands for the student where none was named."""

FILES = Path(__file__).parent / "trainer_files"
REWARDS = {"skyrl": ("boxed.py", "skyrl_env.py"), "prime-rl": ("boxed.py", "taskset.py")}
"""Files with a reward, for trainers that have none for answers in boxes."""


def trainer_files(
    name: str, sets: Mapping[str, tuple[str, Path]], reasoning: str, model: str
) -> dict[str, str]:
    """Files that go beside the data.

    Args:
        name: the format.
        sets: name of each set to its table (completion, preference, rl_prompt) and its file, relative to the folder.
        reasoning: where the traces are, see `trainer_formats.Reasoning`.
        model: the student.

    Returns:
        File name to text; `HOW_TO_TRAIN.md` holds the commands.
    """
    files: dict[str, str] = {}
    commands = []
    if name == "llama-factory":
        files["dataset_info.json"] = (
            json.dumps({n: _llama_factory(*s) for n, s in sets.items()}, indent=2) + "\n"
        )
    for each, (table, path) in sets.items():
        if text := CONFIGS.get((name, table)):
            files[f"{each}.yaml"] = text(each, path, reasoning, model)
        if table == "rl_prompt":
            files |= {file: (FILES / file).read_text("utf-8") for file in REWARDS.get(name, ())}
        commands.append(f"# {each}\n{COMMANDS[name, table].format(name=each, path=path, model=model)}")
    files["HOW_TO_TRAIN.md"] = (
        f"Written by `factory export --for {name}`; run these in this folder.\n\n```\n"
        + "\n\n".join(commands)
        + "\n```\n"
    )
    return files


def _llama_factory(table: str, path: Path) -> dict[str, object]:
    pairs = {"chosen": "chosen", "rejected": "rejected"} if table == "preference" else {}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    return {
        "file_name": str(path),
        "formatting": "sharegpt",
        **({"ranking": True} if pairs else {}),
        "columns": {"messages": "messages", **pairs},
        "tags": {**tags, "system_tag": "system"},
    }


def _llama_factory_config(name: str, path: Path, reasoning: str, model: str) -> str:
    stage = "dpo" if name == "preference" else "sft"
    return f"""model_name_or_path: {model}
stage: {stage}
do_train: true
finetuning_type: full
dataset_dir: .
dataset: {name}
template: qwen3  # the student's; `llamafactory-cli` lists them
cutoff_len: 16384
bf16: true
output_dir: saves/{name}
"""


def _axolotl_config(name: str, path: Path, reasoning: str, model: str) -> str:
    pairs = name == "preference"
    thinking = (
        "    message_property_mappings: {role: role, content: content, reasoning_content: reasoning_content}\n"
        if reasoning == "field"
        else ""
    )
    fields = "    field_chosen: chosen\n    field_rejected: rejected\n" if pairs else ""
    return f"""base_model: {model}
{"rl: dpo" if pairs else "chat_template: tokenizer_default"}
datasets:
  - path: {path}
    ds_type: parquet
    type: chat_template{".default" if pairs else ""}
    field_messages: messages
{fields}{thinking}sequence_len: 16384
bf16: true
output_dir: outputs/{name}
"""


CONFIGS: dict[tuple[str, str], Callable[[str, Path, str, str], str]] = {
    ("llama-factory", "completion"): _llama_factory_config,
    ("llama-factory", "preference"): _llama_factory_config,
    ("axolotl", "completion"): _axolotl_config,
    ("axolotl", "preference"): _axolotl_config,
}

COMMANDS = {
    (
        "trl",
        "completion",
    ): "trl sft --model_name_or_path {model} --dataset_name ./{name} --output_dir out/{name}",
    (
        "trl",
        "preference",
    ): "trl dpo --model_name_or_path {model} --dataset_name ./{name} --output_dir out/{name}",
    ("trl", "rl_prompt"): "trl grpo --model_name_or_path {model} --dataset_name ./{name} "
    "--reward_funcs accuracy_reward --output_dir out/{name}",
    ("llama-factory", "completion"): "llamafactory-cli train {name}.yaml",
    ("llama-factory", "preference"): "llamafactory-cli train {name}.yaml",
    ("axolotl", "completion"): "axolotl train {name}.yaml",
    ("axolotl", "preference"): "axolotl train {name}.yaml",
    ("verl", "completion"): "torchrun --nproc_per_node 8 -m verl.trainer.sft_trainer data.train_files={path} "
    "data.messages_key=messages model.path={model}",
    (
        "verl",
        "rl_prompt",
    ): "python -m verl.trainer.main_ppo algorithm.adv_estimator=grpo data.train_files={path} "
    "data.val_files={path} data.prompt_key=prompt actor_rollout_ref.model.path={model}",
    (
        "open-instruct",
        "completion",
    ): "accelerate launch open_instruct/finetune.py --model_name_or_path {model} "
    "--dataset_mixer_list {path} 1.0",
    (
        "open-instruct",
        "preference",
    ): "accelerate launch open_instruct/dpo_tune_cache.py --model_name_or_path {model} "
    "--dataset_mixer_list {path} 1.0",
    ("open-instruct", "rl_prompt"): "python open_instruct/grpo_fast.py --model_name_or_path {model} "
    "--dataset_mixer_list {path} 1.0",
    ("openrlhf", "completion"): "deepspeed --module openrlhf.cli.train_sft --data.dataset {path} "
    "--data.input_key prompt --data.output_key completion --data.apply_chat_template --model.model_name_or_path {model}",
    ("openrlhf", "preference"): "deepspeed --module openrlhf.cli.train_dpo --data.dataset {path} "
    "--data.prompt_key prompt --data.apply_chat_template --model.model_name_or_path {model}",
    ("openrlhf", "rl_prompt"): "python -m openrlhf.cli.train_ppo_ray --data.prompt_dataset {path} "
    "--data.input_key prompt --data.label_key label --data.apply_chat_template --actor.model_name_or_path {model}",
    ("ms-swift", "completion"): "swift sft --model {model} --dataset {path}",
    ("ms-swift", "preference"): "swift rlhf --rlhf_type dpo --model {model} --dataset {path}",
    (
        "ms-swift",
        "rl_prompt",
    ): "swift rlhf --rlhf_type grpo --reward_funcs accuracy --model {model} --dataset {path}",
    ("prime-rl", "completion"): "uv run sft --model.name {model} --data.name ./{name}",
    ("prime-rl", "rl_prompt"): "# taskset.py holds the tasks and their reward: name it in --env.taskset.id",
    ("nemo-gym", "rl_prompt"): "gym env start --resources-server math_with_judge\n"
    "gym eval run --no-serve --input {path} --output rollouts.jsonl",
    ("skyrl", "completion"): "python -m skyrl.train.main_sft train_datasets=\"['./{name}']\" "
    "train_dataset_splits=\"['train']\" messages_key=messages model.path={model}",
    ("skyrl", "rl_prompt"): "# skyrl_env.py registers the reward: import it where training starts\n"
    "python -m skyrl.train.entrypoints.main_base data.train_data=\"['{path}']\" trainer.policy.model.path={model}",
    (
        "slime",
        "completion",
    ): "# slime's SFT reads: --rollout-function-path slime.rollout.sft_rollout.generate_rollout "
    "--prompt-data {path} --input-key messages",
    ("slime", "rl_prompt"): "python train.py --prompt-data {path} --input-key prompt --label-key label "
    "--apply-chat-template --rm-type math --hf-checkpoint {model}",
    ("openai", "completion"): "openai api files.create --purpose fine-tune --file {path}",
    ("openai", "preference"): "openai api files.create --purpose fine-tune --file {path}  # method: dpo",
    (
        "openai",
        "rl_prompt",
    ): "openai api files.create --purpose fine-tune --file {path}  # method: reinforcement",
}
"""The command that trains on a set, by format and table."""
