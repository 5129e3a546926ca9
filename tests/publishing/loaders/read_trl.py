"""TRL: its trainers read a local folder with `datasets`; rows are rendered by its own `apply_chat_template`."""

from common import FOLDER, begun, done, graded, tokenizer
from datasets import load_dataset
from trl.data_utils import apply_chat_template
from trl.rewards import accuracy_reward


def rows(name):
    return load_dataset(str(FOLDER / name), split="train")


sft = [apply_chat_template(dict(row), tokenizer) for row in rows("sft")]
pairs = [apply_chat_template(dict(row), tokenizer) for row in rows("preference")]
rl = []
for row in rows("rl"):
    gold = row["solution"]
    score = lambda text, gold=gold: accuracy_reward([[{"role": "assistant", "content": text}]], [gold])[0]  # noqa: E731
    rl.append({"prompt": begun(row["prompt"]), "gold": gold, **graded(score, f"so {gold}")})
done(
    "datasets.load_dataset, trl.data_utils.apply_chat_template, trl.rewards.accuracy_reward",
    sft=[{"text": r["prompt"] + r["completion"]} for r in sft],
    preference=[{side: r["prompt"] + r[side] for side in ("chosen", "rejected")} for r in pairs],
    rl=rl,
)
