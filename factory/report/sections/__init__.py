"""The parts of the report, one module a part: each reads tables of a run and returns a `Section` or None."""
