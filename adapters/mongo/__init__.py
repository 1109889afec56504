"""The event log, and what else is kept in MongoDB."""
