"""How commits get to the end of the log: one writer, to whom all others hand theirs."""
