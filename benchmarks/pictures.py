"""The pictures of report and viewer in README and docs/report.md, from a finished quickstart run.

python -m benchmarks.pictures runs/quickstart    needs Chromium (or Chrome) and Pillow, which matplotlib brings
"""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from PIL import Image

from factory.report.build import build_report
from factory.report.viewer.serve import open_socket, serve
from factory.run.parts import read_parts
from tests.report.chrome import Chrome

WIDTH, HEIGHT, COLOURS = 1100, 1250, 128
IMAGES = Path("docs/images")


def main() -> None:
    """Renew `docs/images/report.png` and `viewer.png`; the viewer shows the first problem of the preference set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=Path, default=IMAGES)
    args = parser.parse_args()
    problem = read_parts(args.run / "selected" / "preference")["problem_id"][0]
    listening = open_socket(0)
    threading.Thread(target=serve, args=(args.run, listening), daemon=True).start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    chrome = Chrome()
    try:
        chrome.media(width=WIDTH, height=HEIGHT)
        picture(chrome, build_report(args.run).resolve().as_uri(), args.images / "report.png")
        picture(chrome, f"{address}/row?id={problem}", args.images / "viewer.png")
    finally:
        chrome.close()


def picture(chrome: Chrome, url: str, path: Path) -> None:
    """What stands in the window, with few colours, so that the file is small."""
    chrome.open(url)
    chrome.screenshot(path, whole=False)
    with Image.open(path) as shot:
        shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
