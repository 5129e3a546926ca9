"""The order of a run's steps, and every check before the first of them."""
