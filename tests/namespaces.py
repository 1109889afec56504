"""Programs in a namespace of their own."""

OWN_PIDS = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
"""Its /proc is still that of the machine."""
IN_ITS_OWN_PIDS = (*OWN_PIDS, "--mount-proc")
"""As in a container."""
