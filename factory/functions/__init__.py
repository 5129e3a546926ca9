"""Functions of the user's own: found in their file, run in worker processes under limits, counted when they fail.

The package imports nothing, so that a worker process starts quickly.
"""
