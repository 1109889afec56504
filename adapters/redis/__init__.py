"""Redis: hints for the live streams, and output on its way to whoever watches."""
