"""Runs examples/*.ipynb in a kernel of this environment: `python -m tests.docs.notebooks` keeps what the cells print."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook, run in `folder`, with what its cells show; progress and clocks are left out."""
    book = nbformat.read(path, as_version=4)
    before = os.environ.get("FACTORY_PROGRESS")
    os.environ["FACTORY_PROGRESS"] = "off"
    try:
        NotebookClient(
            book,
            timeout=240,
            startup_timeout=180,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()
    finally:
        os.environ.pop("FACTORY_PROGRESS") if before is None else os.environ.update(FACTORY_PROGRESS=before)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    book.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return book


def shown(book: nbformat.NotebookNode) -> list[str]:
    """The plain text under every cell."""
    texts = []
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            texts.append(str(output.get("text") or output.get("data", {}).get("text/plain", "")))
    return texts


if __name__ == "__main__":
    for each in sorted(EXAMPLES.glob("*.ipynb")):
        with TemporaryDirectory() as place:
            nbformat.write(executed(each, Path(place)), each)
