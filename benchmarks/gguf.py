"""An ordinary checkpoint from a GGUF file: `python -m benchmarks.gguf FILE.gguf FOLDER`. Needs the package `gguf`.

Weights are de-quantised to float32; tokenizer, chat template and token ids are those of the file's header.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def convert(file: Path, folder: Path) -> None:
    """Write `folder` with safetensors, config and tokenizer; it is there only when it is whole."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    partial = folder.with_name(f"{folder.name}.partial")
    named: dict[str, Any] = {"gguf_file": file.name}
    # Without dequantize=True transformers 5 keeps the weights packed and refuses to save them.
    whole = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(file.parent, **named, quantization_config=whole)
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(file.parent, **named).save_pretrained(partial)
    partial.rename(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.gguf", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    convert(given.file, given.folder)
