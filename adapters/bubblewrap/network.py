"""What a run with network has besides: a proxy that the keeper starts, and variables that say where it is."""

import sys

import msgspec

from application.ports.sandbox import Job

URL = "http://127.0.0.1:3128"
"""PROXY_PORT of `records.h`, on the sandbox's own loopback."""
AT_HOME = "localhost,127.0.0.1,::1"
VARIABLES = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), URL),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), AT_HOME),
    "NODE_USE_ENV_PROXY": "1",
}
"""Programs ask for them in both spellings; Node.js needs to be told that it may."""
PROXY_BYTES = 48 * 1024 * 1024
PROXY_THREADS = 8


def proxy_command(hosts: str) -> list[str]:
    """To which the keeper adds the run's uid. Isolated: neither the folder nor the environment can bring in code."""
    return [sys.executable, "-I", "-m", "adapters.network", hosts]


def with_proxy(job: Job) -> Job:
    return msgspec.structs.replace(job, environment={**VARIABLES, **job.environment})
