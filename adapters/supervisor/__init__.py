"""The supervisor that runs inside every sandbox, how it is built, and the records it speaks."""
