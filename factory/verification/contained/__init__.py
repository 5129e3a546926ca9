"""Code that runs in contained processes: programs under test, and the tests that ask them.

The files here are started with an isolated interpreter (`python -I -S`), so they import nothing but the standard
library and each other.
"""
