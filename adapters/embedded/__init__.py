"""The servers of the embedded default: programs that run beside Runledger on this machine and end with it.

They speak the wire protocols of the real ones, so the other adapters know nothing of them. Each module is one
server: its command line, its address, and whether it answers.
"""
