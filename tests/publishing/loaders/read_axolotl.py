"""axolotl: its own configuration file, dataset loader, chat-template strategy and DPO transform."""

import yaml
from axolotl.prompt_strategies.chat_template import load
from axolotl.prompt_strategies.dpo.chat_template import default
from axolotl.utils.data.shared import load_dataset_with_config
from axolotl.utils.dict import DictDefault
from common import FOLDER, decoded, done, tokenizer


def config(name):
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    for each in found["datasets"]:
        each["path"] = str(FOLDER / each["path"])
    return DictDefault(found)


cfg = config("sft")
sft = []
for row in load_dataset_with_config(cfg.datasets[0], use_auth_token=False):
    strategy = load(tokenizer, cfg, ds_cfg=dict(cfg.datasets[0]))
    tokens = strategy.tokenize_prompt(dict(row))
    learnt = [t for t, label in zip(tokens["input_ids"], tokens["labels"], strict=True) if label != -100]
    sft.append({"text": decoded(tokens["input_ids"]), "learnt": decoded(learnt)})

cfg = config("preference")
transform = default(cfg)
transform = transform[0] if isinstance(transform, tuple) else transform
pairs = []
for row in load_dataset_with_config(cfg.datasets[0], use_auth_token=False):
    found = transform(dict(row), tokenizer=tokenizer)
    pairs.append({side: found["prompt"] + found[side] for side in ("chosen", "rejected")})
done(
    "axolotl.prompt_strategies.chat_template, axolotl.prompt_strategies.dpo.chat_template",
    sft=sft,
    preference=pairs,
)
