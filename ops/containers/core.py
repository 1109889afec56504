"""What every process and command has."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

from dependency_injector import containers, providers
from redis import Redis

from adapters.files.replays import Files
from adapters.kafka.framing import Framing, framed, plain
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.ledger import MongoLedger
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.log.replays import MongoMarks, MongoSelecting
from adapters.mongo.read_models.mailbox import MongoMailbox
from adapters.mongo.read_models.open_runs import MongoOpenRuns
from adapters.mongo.read_models.read_models import MongoReadModels
from adapters.mongo.read_models.stored import MongoStored
from adapters.mongo.read_models.waiting import MongoWaiting
from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.people import MongoCredentials, MongoSessions
from adapters.mongo.secrets.seals import MongoSeals
from adapters.mongo.writing.sockets import SocketWay
from adapters.redis.bell import RedisBell
from adapters.redis.handover import RedisWay
from adapters.secrets.names import HmacNames
from adapters.secrets.passwords import Argon2Passwords
from application.accounts import Accounts
from application.allowance import Allowance
from application.dead_letters import DeadLetters
from application.executions import Executions
from application.outlets import Outlets
from application.read_models import ReadModels
from application.replays import Replays
from application.sagas import Sagas
from application.standard_input import StandardInputs
from domain.events import EVENTS
from domain.execution import Limits
from domain.replay import Kind
from ops.master_key import master_keys
from ops.sandboxes import network_hosts, runtimes
from ops.settings import Settings
from ops.up import folder
from projections.beside import Beside
from projections.overview import Lookout
from projections.past import Past
from projections.registry import BY_NAME, TASKS

REDIS_TIMEOUT_SECONDS = 5.0


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    def new(self) -> UUID:
        return uuid4()


def ceilings(settings: Settings) -> Limits:
    return Limits(
        wall_seconds=settings.max_wall_seconds,
        cpus=settings.max_cpus,
        memory_bytes=settings.max_memory_bytes,
        pids=settings.max_pids,
        output_bytes=settings.max_output_bytes,
        disk_bytes=settings.max_disk_bytes,
    )


def defaults(ceilings: Limits) -> Limits:
    """The usual limits, and none above its ceiling."""
    usual = Limits()
    return Limits(*(min(getattr(usual, name), getattr(ceilings, name)) for name in Limits.__struct_fields__))


def framing(registry_url: str) -> Framing:
    """The registry's client takes memory, so it is imported where there is a registry."""
    if not registry_url:
        return plain
    from adapters.schemas.registry import SchemaRegistry  # noqa: PLC0415

    return framed(SchemaRegistry(registry_url).id_of)


def kafka_servers(settings: Settings) -> Callable[[], str]:
    """The embedded broker has another address after each start, so it is asked for again and again."""
    return (lambda: settings.kafka_servers) if settings.kafka_servers else partial(folder.kafka_servers, settings.data)


def topics(journal: Journal, servers: Callable[[], str], framing: Framing) -> Outlets:
    """Kafka's client takes memory, so it is imported where topics are asked for."""
    from adapters.kafka.replays import Topics  # noqa: PLC0415

    return Topics(journal, servers, framing)


class Core(containers.DeclarativeContainer):
    """The store, and the commands on it. Each part is made when it is first asked for."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(RandomIds)
    master_keys = providers.Callable(lambda settings: partial(master_keys, settings), settings)
    ceilings = providers.Singleton(ceilings, settings)
    defaults = providers.Singleton(defaults, ceilings)

    mongo = providers.Singleton(connect, settings.provided.mongo_url)
    database = providers.Singleton(lambda client, name: client[name], mongo, settings.provided.mongo_database)
    redis = providers.Singleton(Redis.from_url, settings.provided.redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS)
    bell_of = providers.Callable(lambda redis: partial(RedisBell, redis), redis)
    ways = providers.List(providers.Factory(SocketWay), providers.Factory(RedisWay, settings.provided.redis_url))
    journal = providers.Singleton(Journal, database, bell_of=bell_of, ways=ways)
    kafka_servers = providers.Singleton(kafka_servers, settings)
    framing = providers.Singleton(framing, settings.provided.schema_registry_url)
    log = providers.Singleton(MongoEventLog, journal)
    keyring = providers.Singleton(Keyring, database, master_keys)
    data_keys = providers.Singleton(DataKeys, database, keyring)
    chunks = providers.Singleton(Chunks, database)
    seals = providers.Singleton(MongoSeals, data_keys, chunks)
    ledger = providers.Singleton(MongoLedger, journal, data_keys, chunks)
    read_models = providers.Singleton(MongoReadModels, database)
    stored = providers.Singleton(MongoStored, database)
    open_runs = providers.Singleton(MongoOpenRuns, read_models)
    sessions = providers.Singleton(MongoSessions, database)

    runtimes = providers.Singleton(runtimes, settings)
    accounts = providers.Singleton(
        Accounts,
        log,
        seals,
        ids,
        providers.Singleton(HmacNames, keyring.provided.names_secret.call()),
        providers.Singleton(Argon2Passwords),
        providers.Singleton(MongoCredentials, database),
        sessions,
    )
    past = providers.Singleton(Past, log, stored)
    lookout = providers.Singleton(
        Lookout, log, providers.Singleton(MongoWaiting, journal, database), read_models.provided.generations, clock
    )
    mailbox = providers.Singleton(MongoMailbox, database)
    dead_letters = providers.Singleton(DeadLetters, log)
    steering = providers.Singleton(ReadModels, log, providers.Object(frozenset(BY_NAME)), providers.Object(TASKS))
    selecting = providers.Singleton(MongoSelecting, journal)
    replay_marks = providers.Singleton(MongoMarks, database)
    files = providers.Singleton(Files, settings.provided.data)
    topics = providers.Singleton(topics, journal, kafka_servers, framing)
    beside = providers.Singleton(Beside, log, read_models, read_models.provided.generations, providers.Object(BY_NAME))
    outlets = providers.Dict({Kind.FILE: files.provider, Kind.TOPIC: topics.provider, Kind.PROJECTION: beside.provider})
    replays = providers.Singleton(
        Replays, log, ids, ledger, selecting, replay_marks, providers.Object(frozenset(EVENTS)), outlets
    )
    allowance = providers.Singleton(Allowance, log, open_runs, settings.provided.user_queue)
    network_hosts = providers.Callable(network_hosts, settings)
    grants_network = providers.Callable(bool, network_hosts)
    executions = providers.Singleton(
        Executions, log, seals, ids, runtimes, defaults, ceilings, allowance, grants_network=grants_network
    )
    inputs = providers.Singleton(StandardInputs, log, seals)
    sagas = providers.Singleton(Sagas, log, executions)
