"""OpenRLHF: its three datasets, and the grading of boxes that it ships."""

from types import SimpleNamespace

from common import done, graded, path, tokenizer
from openrlhf.datasets import PromptDataset, RewardDataset, SFTDataset
from openrlhf.datasets.utils import blending_datasets
from openrlhf.utils import extract_boxed_answer, grade_answer


def strategy(**data):
    return SimpleNamespace(
        args=SimpleNamespace(data=SimpleNamespace(apply_chat_template=True, **data), use_ms=False),
        is_rank_0=lambda: True,
        print=print,
    )


def rows(name, how):
    return blending_datasets(path(name), None, how, 42)


how = strategy(input_key="prompt", output_key="completion")
data = SFTDataset(rows("sft", how), tokenizer, 4096, how, num_processors=1)
sft = [{"text": p + r} for p, r in zip(data.prompts, data.responses, strict=True)]
how = strategy(prompt_key="prompt", chosen_key="chosen", rejected_key="rejected")
data = RewardDataset(rows("preference", how), tokenizer, 4096, how, is_dpo=True, num_processors=1)
pairs = [
    {"chosen": p + c, "rejected": p + r}
    for p, c, r in zip(data.prompts, data.chosens, data.rejects, strict=True)
]
how = strategy(input_key="prompt", label_key="label")
data = PromptDataset(rows("rl", how), tokenizer, how)
rl = [
    {
        "prompt": p,
        "gold": gold,
        **graded(
            lambda text, gold=gold: grade_answer(extract_boxed_answer(text), gold), f"so \\boxed{{{gold}}}"
        ),
    }
    for p, gold in zip(data.prompts, data.labels, strict=True)
]
done("SFTDataset, RewardDataset, PromptDataset, grade_answer", sft=sft, preference=pairs, rl=rl)
