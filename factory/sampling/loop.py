"""Coroutines from code that is not asynchronous, also where a loop runs already (a notebook, a server)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

WAKE_SECONDS = 0.2
"""A signal that comes just before a wait begins is seen after this time."""


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to its end and return what it returns: on a loop of its own, in a thread where this one's loop is taken.

    Raises:
        KeyboardInterrupt: the coroutine was cancelled and has ended, as with `asyncio.run`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    done: Future[T] = Future()
    begun, ended = threading.Event(), threading.Event()
    at: list[Any] = []

    async def watched() -> T:
        at[:] = asyncio.get_running_loop(), asyncio.current_task()
        begun.set()
        return await coroutine

    def work() -> None:
        try:
            done.set_result(asyncio.run(watched()))
        except BaseException as error:
            done.set_exception(error)
        finally:
            ended.set()

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), daemon=True)
    try:
        thread.start()
        while not ended.wait(WAKE_SECONDS):
            pass
    except KeyboardInterrupt:
        if thread.ident is not None:
            begun.wait()
            with suppress(RuntimeError):  # it has just ended by itself
                at[0].call_soon_threadsafe(at[1].cancel)
            thread.join()
        raise
    return done.result()
