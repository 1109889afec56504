"""Commits as they lie in the log's one collection: how they are made, found and read."""
