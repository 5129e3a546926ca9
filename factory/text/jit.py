"""Compiling kernels: functions over numpy arrays that numba turns into machine code, once for each machine.

Modules that hold kernels are called `kernels.py` or `*_kernels.py`, and are imported inside functions only: importing
numba takes longer than `factory --help` may. Compiled code is kept in the user's cache folder, in a folder named after
the sources of all kernels, because numba does not notice when a kernel that another one calls has changed. The
package's own folder may be read-only. Where the cache folder cannot be written, every process compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from factory.text.hashing import Bytes

_P = ParamSpec("_P")
_T = TypeVar("_T")


def kernel(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile `function` at its first call; it runs without the interpreter's lock."""
    return _compiled(function)


def inlined(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A kernel that becomes part of those that call it: for what is done for every token. It must make no arrays.

    Handing over arrays costs more than what such a function does, and so does counting references to them, which numba
    leaves out (`_nrt`) where nothing is made.
    """
    return _compiled(function, forceinline=True, _nrt=False)


def _compiled(function: Callable[_P, _T], **options: bool) -> Callable[_P, _T]:
    compiler: Any = numba.njit
    folder = cache_folder()
    if folder is None:
        return compiler(nogil=True, **options)(function)  # type: ignore[no-any-return]
    # numba reads its setting when the function is decorated; other programs' functions keep theirs.
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return compiler(nogil=True, cache=True, **options)(function)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = before


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None when that cannot be written."""
    package = Path(__file__).parent.parent
    sources = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(package.glob("*/*kernels.py")):
        sources.update(path.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(base).expanduser() / "cot-factory" / f"kernels-{sources.hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        # Compiled code is run as it is found: a folder that somebody else owns is not to be trusted.
        trusted = folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except (OSError, RuntimeError):
        return None
    return folder if trusted else None


def _load_word(_context: Any, data: Any, _place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, types.uint64), generate


def _store_word(_context: Any, data: Any, _place: Any, _word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        builder.store(arguments[2], builder.bitcast(address, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(data, types.uint64, types.uint64), generate


def _bytes_between(_context: Any, data: Any, _place: Any, _bits: Any, _least: Any, _most: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        block = ir.VectorType(ir.IntType(8), 64)

        def all_lanes(value: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(block, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            places = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
            return builder.shuffle_vector(one, ir.Constant(block, ir.Undefined), places)

        found = builder.load(builder.bitcast(address, block.as_pointer()), align=1)
        bits, least, most = map(all_lanes, arguments[2:])
        above = builder.sub(builder.or_(found, bits), least)
        inside = builder.icmp_unsigned("<=", above, builder.sub(most, least))
        return builder.bitcast(inside, ir.IntType(64))

    return types.uint64(data, types.uint64, types.uint8, types.uint8, types.uint8), generate


def _trailing_zeros(_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(value), generate


_loader: Any = intrinsic(_load_word)
load_word: Callable[[Bytes, np.uint64], np.uint64] = _loader
"""Inside kernels: the eight bytes from a place of a byte array on, as one little-endian number. Seven bytes beyond the
place have to be there."""

_storer: Any = intrinsic(_store_word)
store_word: Callable[[Bytes, np.uint64, np.uint64], None] = _storer
"""Inside kernels: write eight bytes."""

_finder: Any = intrinsic(_bytes_between)
bytes_between: Callable[[Bytes, np.uint64, np.uint8, np.uint8, np.uint8], np.uint64] = _finder
"""Inside kernels: bit i is whether byte i of the 64 from a place on, with some bits set, is at least `least` and at most
`most`. 63 bytes beyond the place have to be there."""

_counter: Any = intrinsic(_trailing_zeros)
trailing_zeros: Callable[[np.uint64], np.uint64] = _counter
"""Inside kernels: how many low bits of a number are 0; 64 of 0."""
