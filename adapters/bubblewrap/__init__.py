"""Sandboxes on this machine: bubblewrap, cgroups and one keeper process per run."""

from adapters.bubblewrap.sandbox import BubblewrapSandbox

__all__ = ["BubblewrapSandbox"]
