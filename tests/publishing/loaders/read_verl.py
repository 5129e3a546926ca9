"""verl: its two datasets and its default reward."""

from common import begun, decoded, done, graded, path, tokenizer
from omegaconf import OmegaConf
from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.utils.reward_score import default_compute_score

PROGRAM = "```python\nprint(int(input()) * 2)\n```"
config = OmegaConf.create({"max_length": 4096, "pad_mode": "no_padding", "messages_key": "messages"})
data = MultiTurnSFTDataset(path("sft"), tokenizer, config)
sft = [{"text": decoded(data[i]["input_ids"].tolist())} for i in range(len(data))]

config = OmegaConf.create({"max_prompt_length": 4096, "prompt_key": "prompt", "cache_dir": "/tmp/verl-cache"})
rl = []
for row in RLHFDataset(path("rl"), tokenizer, config).dataframe:
    gold = row["reward_model"]["ground_truth"]
    answer = PROGRAM if row["data_source"] == "apps" else f"so \\boxed{{{gold}}}"
    score = lambda text, row=row, gold=gold: default_compute_score(row["data_source"], text, gold)  # noqa: E731
    rl.append({"prompt": begun(row["prompt"]), "gold": gold, **graded(score, answer)})
done("MultiTurnSFTDataset, RLHFDataset, default_compute_score", sft=sft, rl=rl)
