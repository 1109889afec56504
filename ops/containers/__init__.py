"""What is made of what, a container per kind of process, so that each imports only what it runs."""
