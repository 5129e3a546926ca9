"""A terminal of a given width: what stands on it when a program has ended, and every line that stood there meanwhile."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

STEP = re.compile(r"\x1b\[\??([\d;]*)([A-Za-z])|([\r\n\b])|([^\x1b\r\n\b]+)|\x1b.")


class Terminal:
    """Lines of text; knows what rich writes: cursor moves, erased lines, colours (which are left out)."""

    def __init__(self, columns: int) -> None:
        self.columns, self.lines, self.row, self.column = columns, [""], 0, 0
        self.seen: list[str] = []
        """Each state of each line, in order."""

        self.raw = ""

    def feed(self, text: str) -> None:
        self.raw += text
        for number, kind, control, plain in STEP.findall(text):
            count = int(number.split(";")[0] or 1) if number.replace(";", "").isdigit() or not number else 1
            if kind == "A":
                self.row = max(0, self.row - count)
            elif kind == "K":
                self.lines[self.row] = "" if number == "2" else self.lines[self.row][: self.column]
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif plain:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + plain + line[self.column + len(plain) :]
                self.column += len(plain)
                self.seen.append(self.lines[self.row].rstrip())

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).strip("\n") + "\n"


def on_terminal(
    words: Sequence[str], columns: int, *, cwd: Path, env: Mapping[str, str] | None = None, rows: int = 24
) -> tuple[int, Terminal]:
    """Run a program on a terminal of so many columns; its exit code and the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("FACTORY_PROGRESS", "NO_COLOR", "COLUMNS", "CI")}
    kept |= {"TERM": "xterm-256color", **(env or {})}
    process = subprocess.Popen(words, cwd=cwd, env=kept, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # the other side has closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    terminal = Terminal(columns)
    terminal.feed(b"".join(pieces).decode("utf-8", "replace"))
    return process.wait(), terminal
