"""The settings: every key with its meaning, its default and what it may be. `ops.loading` reads them."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

PREFIX = "RUNLEDGER_"
SECRET = {"secret": True}
HIDDEN = "********"
MIB = 1024 * 1024
GIB = 1024 * MIB


class SettingsInvalid(Exception):
    """The settings cannot be used; the message names the setting and says what it may be."""


def default_data() -> Path:
    shared = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(shared).expanduser() / "runledger"


def cores() -> int:
    return len(os.sched_getaffinity(0))


def default_slots() -> int:
    return max(2, 2 * cores())


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every key with its meaning and default. `port` in the file is `RUNLEDGER_PORT` in the environment."""

    data: Annotated[Path, Meta(description="The folder of everything that lasts: the store, the keys, the logs.")] = (
        msgspec.field(default_factory=default_data)
    )
    port: Annotated[int, Meta(description="The port on loopback where the API and the page are.", ge=1, le=65535)] = (
        8443
    )
    http: Annotated[
        bool, Meta(description="Serve plain HTTP, on loopback alone. There is no other way yet, so it must be true.")
    ] = True
    mongo_url: Annotated[
        str,
        Meta(
            description="MongoDB, as mongodb://…; empty starts the embedded one.", pattern=r"^(mongodb(\+srv)?://.+)?$"
        ),
    ] = ""
    mongo_database: Annotated[
        str, Meta(description="The database of the store: letters, digits, - and _.", pattern="^[A-Za-z0-9_-]{1,63}$")
    ] = "runledger"
    kafka_servers: Annotated[
        str,
        Meta(
            description="Kafka, as host:port,host:port; empty starts the embedded one.", pattern=r"^([^,\s]+:\d+,?)*$"
        ),
    ] = ""
    schema_registry_url: Annotated[
        str,
        Meta(
            description="A schema registry with Confluent's interface, as http(s)://… (Apicurio's ends in "
            "/apis/ccompat/v7); empty sends events to Kafka as they stand in the log.",
            pattern="^(https?://.+)?$",
        ),
    ] = ""
    redis_url: Annotated[
        str, Meta(description="Redis, as redis://…; empty starts the embedded one.", pattern="^((rediss?|unix)://.+)?$")
    ] = ""
    otlp_endpoint: Annotated[
        str,
        Meta(description="Where traces and metrics go, as http(s)://…; empty sends none.", pattern="^(https?://.+)?$"),
    ] = ""
    rebuild_processes: Annotated[
        int, Meta(description="How many processes rebuild or verify a read model. Default: one per core.", ge=1, le=64)
    ] = msgspec.field(default_factory=cores)
    slots: Annotated[
        int, Meta(description="How many runs there are at once. Default: two per core.", ge=1, le=10_000)
    ] = msgspec.field(default_factory=default_slots)
    user_slots: Annotated[
        int,
        Meta(description="How many runs of one person there are at once; 0: as many as slots.", ge=0, le=10_000),
    ] = 0
    user_queue: Annotated[
        int, Meta(description="How many runs of one person may wait or be under way.", ge=1, le=1_000_000)
    ] = 1_000
    queue_seconds: Annotated[
        int,
        Meta(description="How many seconds a run may wait for a place; after that it ends.", ge=1, le=30 * 86_400),
    ] = 3_600
    allow_weak_sandbox: Annotated[
        bool, Meta(description="Run scripts even where this machine cannot limit their memory and processes.")
    ] = False
    sandbox: Annotated[
        Literal["bubblewrap", "kubernetes"], Meta(description="Where scripts run: on this machine, or on a cluster.")
    ] = "bubblewrap"
    kubeconfig: Annotated[
        str,
        Meta(
            description="The cluster, as the path of a file for kubectl; empty in a pod is the cluster that it is in. "
            "Who may make namespaces there has all made that is missing; the workers then use an account of their own.",
            pattern="^(/.+)?$",
        ),
    ] = ""
    kubernetes_namespace: Annotated[
        str,
        Meta(
            description="The namespace of the pods, and of nothing else.",
            pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        ),
    ] = "runledger-sandboxes"
    kubernetes_image: Annotated[
        str, Meta(description="The image of a language version, with {language} and {version} in it.", min_length=1)
    ] = "runledger/{language}:{version}"
    kubernetes_runtime_class: Annotated[
        str, Meta(description="The RuntimeClass of the pods, such as gVisor's; empty uses the cluster's own.")
    ] = ""
    kubernetes_user_namespaces: Annotated[
        bool, Meta(description="Give each pod a user namespace of its own (hostUsers: false), where nodes can.")
    ] = False
    kubernetes_warm_pods: Annotated[
        int, Meta(description="How many pods wait for a run, of each language version asked for lately.", ge=0, le=100)
    ] = 1
    network_hosts: Annotated[
        str,
        Meta(
            description="The hosts that runs may reach if they ask for network, with commas between: example.org, "
            "*.example.org for all below it, * for every public address; with :port, else 80 and 443. Empty: none.",
        ),
    ] = ""
    max_wall_seconds: Annotated[
        float, Meta(description="The most seconds that a run may ask for.", ge=1, le=86_400)
    ] = 300.0
    max_memory_bytes: Annotated[int, Meta(description="The most memory that a run may ask for.", ge=16 * MIB)] = GIB
    max_cpus: Annotated[float, Meta(description="The most cores that a run may ask for.", gt=0)] = 2.0
    max_pids: Annotated[int, Meta(description="The most processes that a run may ask for.", ge=1)] = 256
    max_output_bytes: Annotated[
        int, Meta(description="The most output that a run may ask for; 256 MB at most.", ge=1, le=256 * MIB)
    ] = 64 * MIB
    max_disk_bytes: Annotated[int, Meta(description="The most disk that a run may ask for.", ge=1)] = GIB
    master_key: Annotated[
        str,
        Meta(
            description="Wraps everybody's data keys: 64 hexadecimal digits; empty uses the file master.key in data.",
            pattern="^([0-9a-fA-F]{64})?$",
            extra=SECRET,
        ),
    ] = ""
    previous_master_keys: Annotated[
        str,
        Meta(
            description="Master keys that may wrap data keys as well: 64 hexadecimal digits each, with commas between.",
            pattern="^([0-9a-fA-F]{64}(,[0-9a-fA-F]{64})*)?$",
            extra=SECRET,
        ),
    ] = ""
    sources: Mapping[str, str] = {}
    """Where each value that is not a default came from: the file's path, `RUNLEDGER_PORT`, `command line`."""

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables that give a child process exactly these settings."""
        return {variable(key): text(getattr(self, key)) for key in KEYS if text(getattr(self, key))}


class Shown(NamedTuple):
    """One line of `config show`; what is secret in the value is hidden."""

    key: str
    value: Any
    source: str
    meaning: str


KEYS = tuple(key for key in Settings.__struct_fields__ if key != "sources")
TYPES = get_type_hints(Settings, include_extras=True)


def shown(settings: Settings) -> list[Shown]:
    """Every key with its value, where that came from and what it means."""
    return [
        Shown(key, hidden(key, getattr(settings, key)), settings.sources.get(key, "default"), meaning(key))
        for key in KEYS
    ]


# Keys -----------------------------------------------------------------------------------------------------


def variable(key: str) -> str:
    return PREFIX + key.upper()


def option(key: str) -> str:
    return "--" + key.replace("_", "-")


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def meta(key: str) -> Meta:
    found: Meta = TYPES[key].__metadata__[0]
    return found


def meaning(key: str) -> str:
    return meta(key).description or ""


def is_secret(key: str) -> bool:
    return meta(key).extra == SECRET


def hidden(key: str, value: Any) -> Any:
    """The value as it may be shown: without secrets, and URLs without user and password."""
    if is_secret(key):
        return HIDDEN if value else ""
    return re.sub(r"//.*@", f"//{HIDDEN}@", value) if isinstance(value, str) else value
