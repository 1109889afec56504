"""What the application asks of the outside. Adapters implement these; nothing here knows how."""
