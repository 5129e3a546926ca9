"""A tiny sentence-embedding model built in code, of the shape of real ones: a BERT with its tokenizer."""

from pathlib import Path

PROBLEM = "Seven dwarfs share ninety one apples evenly among themselves. Each dwarf gets how many?"
REWORDED = "among evenly apples ninety one share dwarfs seven each themselves how gets dwarf many"
OTHER = "Prove that the square root of two cannot be written as a ratio"


def save_encoder(folder: Path) -> Path:
    """A tiny encoder whose vectors hardly know of order: embeddings of words alone, without trained layers."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted(
        set(" ".join([PROBLEM, REWORDED, OTHER]).lower().replace(".", "").replace("?", "").split())
    )
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(["[PAD]", "[UNK]", *words])}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(".", ""), normalizers.Replace("?", "")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(
        folder
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words) + 2, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    encoder = BertModel(config)
    encoder.embeddings.position_embeddings.weight.data.zero_()
    encoder.embeddings.token_type_embeddings.weight.data.zero_()
    encoder.save_pretrained(folder)
    return folder
