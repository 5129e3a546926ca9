"""Entry point of a contained process: the job comes as the first frame, then all is given up, then it runs."""

from __future__ import annotations

import os
import sys

folder = __file__.rpartition("/")[0]
sys.path.insert(0, folder)

import isolate  # noqa: E402
from wire import Broken, Peer, raised, read, write  # noqa: E402


def main(source: int, sink: int) -> None:
    """Serve one job: a script, a program that answers calls, or the tests that ask it."""
    job = read(source)
    isolate.preload(job["preload"])
    if job["mode"] == "tests":
        import examiner
    else:
        import program
    sys.path.remove(folder)
    isolate.contain(job["seconds"])
    if job["mode"] == "tests":
        examiner.run(job, source, sink)
    elif job["mode"] == "script":
        program.run_script(job["source"], sink)
    else:
        try:
            loaded = program.Program(job["source"], job["before"])
        except BaseException as error:
            write(sink, raised(error))
            return
        peer = Peer(source, sink, loaded.answer)
        loaded.peer = peer
        write(sink, loaded.describe(job["names"]))
        peer.serve()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]))
    except Broken:
        os._exit(0)
