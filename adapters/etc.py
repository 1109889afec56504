"""What stands in a sandbox's own /etc: a name for whoever runs there, and one for the machine."""

from adapters.supervisor.records import WORK

NAME = "sandbox"
"""Of the user, of its group and of the machine."""
OVERFLOW = 65534
"""Whose files are of nobody in the sandbox's user namespace have this number there."""

HOSTS = f"127.0.0.1 localhost {NAME}\n::1 localhost ip6-localhost ip6-loopback\n"


def passwd(uid: int) -> str:
    return (
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        f"nobody:x:{OVERFLOW}:{OVERFLOW}:nobody:/nonexistent:/usr/sbin/nologin\n"
        f"{NAME}:x:{uid}:{uid}:{NAME}:{WORK}:/bin/sh\n"
    )


def group(gid: int) -> str:
    return f"root:x:0:\nnogroup:x:{OVERFLOW}:\n{NAME}:x:{gid}:\n"
