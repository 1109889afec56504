"""Passwords and keyed names."""
