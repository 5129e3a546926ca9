"""One file a step: read tables, call a room's pure functions, write tables, dropped rows and a manifest.

A step's `run(...)` returns its manifest, and returns the old one at once when nothing changed.
"""
