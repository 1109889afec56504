"""Where settings come from: one TOML file, `RUNLEDGER_*` variables, the command line; each wins over the one before."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from adapters.network.hosts import EVERY, HostsMisnamed, parse
from ops.settings import KEYS, PREFIX, TYPES, Settings, SettingsInvalid, default_data, hidden, meaning, option, variable

CONFIG = "RUNLEDGER_CONFIG"
COMMAND_LINE = "command line"
IN_A_POD = "KUBERNETES_SERVICE_HOST"
NO_CLUSTER = (
    "sandbox is kubernetes, but no cluster is named: set kubeconfig (RUNLEDGER_KUBECONFIG) to a file that is there, or "
    "run in a pod."
)

NO_NAMES = (
    "network_hosts names hosts, but sandbox is kubernetes, where a NetworkPolicy knows addresses and no names: set it "
    "to * (or *:port) for every public address, or to nothing."
)


class Given(NamedTuple):
    """One value from outside, before it is checked."""

    key: str
    value: Any
    source: str
    label: str
    """How its giver calls it: `port` in a file, `RUNLEDGER_PORT`, `--port`."""


def load(environ: Mapping[str, str] | None = None, **command_line: Any) -> Settings:
    """The settings in force. Raises SettingsInvalid."""
    environ = os.environ if environ is None else environ
    options = [Given(key, value, COMMAND_LINE, option(key)) for key, value in command_line.items() if value is not None]
    variables = list(from_environment(environ))
    file = config_file(environ, [*variables, *options])
    givens = [*from_file(file), *variables, *options]
    values = {given.key: checked(given) for given in givens}
    if not values.get("http", True):
        raise SettingsInvalid("http is false, but HTTPS is not there yet: leave http out or set it to true.")
    settings = Settings(**values, sources={given.key: given.source for given in givens})
    if settings.sandbox == "kubernetes" and not has_cluster(settings, environ):
        raise SettingsInvalid(NO_CLUSTER)
    check_hosts(settings)
    return settings


def check_hosts(settings: Settings) -> None:
    """Raises SettingsInvalid."""
    try:
        hosts = parse(settings.network_hosts)
    except HostsMisnamed as wrong:
        raise SettingsInvalid(
            f"The setting network_hosts = {settings.network_hosts!r} cannot be used: {wrong}"
        ) from wrong
    if settings.sandbox == "kubernetes" and any(host.name != EVERY for host in hosts):
        raise SettingsInvalid(NO_NAMES)


def has_cluster(settings: Settings, environ: Mapping[str, str]) -> bool:
    return Path(settings.kubeconfig).is_file() if settings.kubeconfig else IN_A_POD in environ


# Where values come from -----------------------------------------------------------------------------------


def from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    """An empty variable counts as not set."""
    known = {variable(key): key for key in KEYS}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == CONFIG:
            continue
        if name not in known:
            raise SettingsInvalid(unknown(f"environment variable {name}", name, [*known, CONFIG]))
        if environ[name]:
            yield Given(known[name], environ[name], name, name)


def config_file(environ: Mapping[str, str], givens: list[Given]) -> Path | None:
    """RUNLEDGER_CONFIG, which must exist, else `runledger.toml` in the data folder if there is one."""
    if named := environ.get(CONFIG):
        return Path(named).expanduser()
    data = {given.key: given.value for given in givens}.get("data", default_data())
    file = Path(data).expanduser() / "runledger.toml"
    return file if file.is_file() else None


def from_file(file: Path | None) -> Iterator[Given]:
    for key, value in read(file).items() if file else ():
        if key not in KEYS:
            raise SettingsInvalid(unknown(f"key {key} in {file}", key, list(KEYS)))
        yield Given(key, value, str(file), f"{key} in {file}")


def read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"The settings file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsInvalid(f"The settings file {file} is not TOML: {error}.") from error


# Checks ---------------------------------------------------------------------------------------------------


def checked(given: Given) -> Any:
    """The value in its type and within its bounds. Raises SettingsInvalid."""
    from_text = given.source == variable(given.key)
    try:
        return msgspec.convert(given.value, TYPES[given.key], strict=not from_text, dec_hook=path)
    except (msgspec.ValidationError, TypeError) as error:
        raise SettingsInvalid(refused(given, str(error))) from error


def path(kind: type, value: Any) -> Any:
    """A path in text, made absolute because children may run elsewhere."""
    if kind is not Path or not isinstance(value, str | Path):
        raise TypeError("Expected a path")
    return Path(value).expanduser().absolute()


def refused(given: Given, why: str) -> str:
    value = hidden(given.key, given.value)
    return f"The setting {given.label} = {value!r} cannot be used: {why}. It means: {meaning(given.key)}"


def unknown(what: str, name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
    return f"There is no setting for the {what}. The nearest is {nearest}."
