"""The `eventsourcing` library's recorders on the log."""
