"""The local web page over a run's tables (`factory view`). Needs the extra `viewer`."""
