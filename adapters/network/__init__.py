"""The network of a run that has one: which hosts it may reach, and the proxy that sees to it.

The proxy is a process of its own, so nothing is imported here but Python's library and h11.
"""
