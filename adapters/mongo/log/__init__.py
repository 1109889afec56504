"""The event log: what its readers, checks and replays ask of it."""
