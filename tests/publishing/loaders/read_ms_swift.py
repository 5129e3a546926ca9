"""ms-swift: its dataset loader with its automatic preprocessor, and its accuracy reward."""

from common import begun, done, graded, path, whole
from swift.dataset import load_dataset
from swift.rewards.orm import MathAccuracy


def rows(name, **words):
    return load_dataset(path(name), num_proc=1, strict=True, **words)[0]


def clean(messages):
    return [{"role": m["role"], "content": m["content"]} for m in messages]


rl = []
for row in rows("rl", remove_unused_columns=False):
    gold = row["solution"]
    score = lambda text, gold=gold: MathAccuracy()([text], [gold])[0]  # noqa: E731
    rl.append({"prompt": begun(clean(row["messages"])), "gold": gold, **graded(score, f"so {gold}")})
done(
    "swift.dataset.load_dataset, swift.rewards.orm.MathAccuracy",
    sft=[{"text": whole(clean(row["messages"]))} for row in rows("sft")],
    preference=[
        {"chosen": whole(clean(row["messages"])), "rejected": whole(clean(row["rejected_messages"]))}
        for row in rows("preference")
    ],
    rl=rl,
)
