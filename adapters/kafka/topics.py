"""The topics, by the names that consumers outside this system know as well."""

EVENTS = "runledger.events"
"""All events; the partition is the lane, the key the stream's id."""
