"""The JSON Schemas of all events: made from their classes, kept in `events/`, registered with a schema registry."""
