"""TRL: its trainers read a local folder with `datasets`; rows are rendered by its own `apply_chat_template`."""

from common import FOLDER, begun, done, tokenizer
from datasets import load_dataset
from trl.data_utils import apply_chat_template
from trl.rewards import accuracy_reward


def rows(name):
    return load_dataset(str(FOLDER / name), split="train")


sft = [apply_chat_template(dict(row), tokenizer) for row in rows("sft")]
pairs = [apply_chat_template(dict(row), tokenizer) for row in rows("preference")]
rl = []
for row in rows("rl"):
    answer = [[{"role": "assistant", "content": f"so {row['solution']}"}]]
    graded = accuracy_reward(answer, solution=[row["solution"]])
    rl.append({"prompt": begun(row["prompt"]), "gold": row["solution"], "graded": graded[0]})
done(
    "datasets.load_dataset, trl.data_utils.apply_chat_template, trl.rewards.accuracy_reward",
    sft=[{"text": r["prompt"] + r["completion"]} for r in sft],
    preference=[{side: r["prompt"] + r[side] for side in ("chosen", "rejected")} for r in pairs],
    rl=rl,
)
