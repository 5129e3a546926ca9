"""A recipe: one YAML file that says everything about a run. Unknown keys are errors.

Nothing is imported here: a verb pays for the sections it takes, not for all of them (0.2 s).
"""
