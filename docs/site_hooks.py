"""What mkdocs does beside building docs/: pages from files elsewhere in the repository, and links to such files as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
FROM_ROOT = {"changelog.md": "CHANGELOG.md"}
"""Pages of the site that are files of the repository's root."""
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside docs/."""
    for name, source in FROM_ROOT.items():
        text = (ROOT / source).read_text("utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A link out of docs/ names the file; the site has no page for it."""
    return OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2]}` in the repository)", markdown)
