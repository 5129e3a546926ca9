"""LLaMA-Factory: its merged dataset, as its processors get it."""

from common import FOLDER, done, whole
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments


def rows(name, stage):
    data = DataArguments(dataset=name, dataset_dir=str(FOLDER), template="qwen")
    training = Seq2SeqTrainingArguments(output_dir="/tmp/unused")
    return _get_merged_dataset([name], ModelArguments(model_name_or_path="none"), data, training, stage)


def before(row):
    system = [{"role": "system", "content": row["_system"]}] if row["_system"] else []
    return system + row["_prompt"]


done(
    "llamafactory.data.loader._get_merged_dataset",
    sft=[{"text": whole(before(r) + r["_response"])} for r in rows("sft", "sft")],
    preference=[
        {"chosen": whole([*before(r), r["_response"][0]]), "rejected": whole([*before(r), r["_response"][1]])}
        for r in rows("preference", "rm")
    ],
)
