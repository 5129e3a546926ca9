"""The `factory` command: one thin file a verb. A verb parses, calls a step, prints."""
