"""How fast the event log is, beside what it is made of and beside its peers."""
