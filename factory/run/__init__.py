"""A run: the order of its steps, what a step leaves on disk, and how it resumes."""
