"""SkyRL: its prompt dataset, its chat tokenising for SFT, and the environment that the export brings."""

import sys

from common import FOLDER, begun, decoded, done, graded, path, tokenizer
from datasets import load_dataset

sys.path.insert(0, str(FOLDER))
import skyrl_env  # noqa: F401 - registers the environment
import skyrl_gym
from skyrl.train.dataset import PromptDataset
from skyrl.train.sft_trainer import tokenize_chat_example

sft = []
for row in load_dataset("parquet", data_files=path("sft"), split="train"):
    found = tokenize_chat_example(dict(row), tokenizer, max_length=4096)
    sft.append({"text": decoded(found["input_ids"])})
data = PromptDataset([path("rl")], tokenizer, 4096, num_workers=1)
rl = []
for at in range(len(data)):
    prompt, kind, extra, _ = data[at]
    gold = extra["reward_spec"]["ground_truth"]
    score = lambda text, kind=kind, extra=extra: skyrl_gym.make(kind, extras=extra).step(text)["reward"]  # noqa: E731
    rl.append({"prompt": begun(prompt), "gold": gold, **graded(score, f"so \\boxed{{{gold}}}")})
done("PromptDataset, tokenize_chat_example, skyrl_gym.make", sft=sft, rl=rl)
