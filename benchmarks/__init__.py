"""Measurements whose figures stand in README.md and docs/.

    python -m benchmarks.run                list the benchmarks
    python -m benchmarks.run NAME [ARGS]    measure, and keep the figures in benchmarks/results/NAME.json
    python -m benchmarks.render             write every measured block from these files; --check only compares

To add a benchmark, add one file `benchmarks/NAME.py` with a docstring whose first line says what it measures, and two
functions:

- `measure(args: list[str]) -> Any` takes the words after NAME and returns figures that fit into JSON.
- `render(result: Result) -> dict[str, str]` gives the Markdown of each block by the block's name. A name with a slash
  (`docs/images/staircase.svg`) is a whole file instead. `result.figures` holds what `measure` returned.

Then put `<!-- measured: BLOCK -->` and `<!-- end: BLOCK -->` into a page, run, render. A line with commit, date,
processor and command is added below every block; tests/benchmarks/test_render.py fails when a page differs from its
figures. Import `factory` inside `measure` (or in functions that it calls), so that rendering needs no library and takes
no time.
"""
