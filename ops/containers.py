"""What is made of what. The only place that knows every part."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import redis
import redis.asyncio
from dependency_injector import containers, providers

from adapters.bubblewrap.runtimes import LocalRuntimes
from adapters.bubblewrap.sandbox import BubblewrapSandbox
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.relay import Relay
from adapters.mongo.chunks import Chunks
from adapters.mongo.connection import connect
from adapters.mongo.journal import Journal
from adapters.mongo.keys import DataKeys
from adapters.mongo.log import MongoEventLog
from adapters.mongo.people import MongoCredentials, MongoSessions
from adapters.mongo.queries import MotorReadModels
from adapters.mongo.read_models import MongoReadModels, MongoTasks, MongoUnfinishedRuns
from adapters.mongo.seals import MongoSeals
from adapters.redis.bus import RedisBus
from adapters.redis.live_output import RedisLiveOutput
from adapters.redis.notices import RedisNotices
from adapters.secrets.names import HmacNames
from adapters.secrets.passwords import Argon2Passwords
from api.backend import Backend
from application.accounts import Accounts
from application.backlog import Backlog
from application.executions import Executions
from application.executor import Executor
from application.monitor import Monitor
from application.reconciler import Reconciler
from domain.execution import Limits
from ops.master_key import master_key
from ops.settings import Settings
from projections.sandbox_tasks import EXECUTOR, MONITOR

THREADS = 16
REDIS_TIMEOUT_SECONDS = 5.0
PAGE = Path(__file__).parent.parent / "webapp" / "dist"


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


class Container(containers.DeclarativeContainer):
    """One process's parts, each made when it is first asked for."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    kafka_servers: providers.Dependency[Callable[[], str]] = providers.Dependency()

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(RandomIds)
    master_key = providers.Singleton(master_key, settings)
    ceilings = providers.Singleton(ceilings, settings)
    defaults = providers.Singleton(defaults, ceilings)

    mongo = providers.Singleton(connect, settings.provided.mongo_url)
    database = providers.Singleton(lambda client, name: client[name], mongo, settings.provided.mongo_database)
    journal = providers.Singleton(Journal, database)
    log = providers.Singleton(MongoEventLog, journal)
    seals = providers.Singleton(
        MongoSeals, providers.Singleton(DataKeys, database, master_key), providers.Singleton(Chunks, database)
    )
    read_models = providers.Singleton(MongoReadModels, database)
    sessions = providers.Singleton(MongoSessions, database)

    redis_client = providers.Singleton(
        redis.Redis.from_url, settings.provided.redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS
    )
    notices = providers.Singleton(RedisNotices, redis_client)
    live_output = providers.Singleton(RedisLiveOutput, redis_client, seals)

    relay = providers.Singleton(Relay, journal, kafka_servers)
    feed = providers.Singleton(KafkaFeed, log, kafka_servers)

    runtimes = providers.Singleton(LocalRuntimes)
    sandbox = providers.Singleton(
        BubblewrapSandbox,
        settings.provided.data,
        settings.provided.slots,
        settings.provided.allow_weak_sandbox,
    )

    accounts = providers.Singleton(
        Accounts,
        log,
        seals,
        ids,
        providers.Singleton(HmacNames, master_key),
        providers.Singleton(Argon2Passwords),
        providers.Singleton(MongoCredentials, database),
        sessions,
    )
    executions = providers.Singleton(Executions, log, seals, ids, runtimes, defaults, ceilings)

    executor_tasks = providers.Singleton(MongoTasks, read_models, providers.Object(EXECUTOR))
    monitor_tasks = providers.Singleton(MongoTasks, read_models, providers.Object(MONITOR))
    executor_backlog = providers.Singleton(Backlog, executor_tasks)
    monitor_backlog = providers.Singleton(Backlog, monitor_tasks)
    executor = providers.Singleton(Executor, log, seals, clock, executor_backlog, sandbox, runtimes)
    monitor = providers.Singleton(Monitor, log, seals, clock, monitor_backlog, sandbox, live_output)
    reconciler = providers.Singleton(
        Reconciler, log, clock, providers.Singleton(MongoUnfinishedRuns, read_models), executor_tasks, sandbox
    )

    backend = providers.Singleton(
        Backend,
        accounts=accounts,
        executions=executions,
        log=log,
        seals=seals,
        read_models=providers.Singleton(MotorReadModels, settings.provided.mongo_url, settings.provided.mongo_database),
        bus=providers.Singleton(
            RedisBus, providers.Singleton(redis.asyncio.Redis.from_url, settings.provided.redis_url)
        ),
        clock=clock,
        ids=ids,
        catalogue=providers.Callable(lambda runtimes: lambda: runtimes.rows, runtimes),
        defaults=defaults,
        ceilings=ceilings,
        checks=providers.Dict(
            {
                "event store": log.provided.head,
                "read models": providers.Callable(lambda m: lambda: m.generation("execution_status"), read_models),
                "redis": redis_client.provided.ping,
            }
        ),
        page=PAGE,
        is_https=False,
        threads=providers.Singleton(ThreadPoolExecutor, THREADS, "crossing"),
    )
