"""What the API has, and the commands that follow a run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dependency_injector import providers
from redis.asyncio import Redis

from adapters.files.examples import example_scripts
from adapters.mongo.read_models.queries import MotorReadModels
from adapters.redis.bus import RedisBus
from api.backend import Backend
from ops.containers.core import Core

THREADS = 16
PAGE = Path(__file__).parents[2] / "webapp" / "dist"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class Api(Core):
    live_redis = providers.Singleton(Redis.from_url, Core.settings.provided.redis_url)
    backend = providers.Singleton(
        Backend,
        accounts=Core.accounts,
        executions=Core.executions,
        inputs=Core.inputs,
        log=Core.log,
        seals=Core.seals,
        steering=Core.steering,
        lookout=Core.lookout,
        dead_letters=Core.dead_letters,
        mailbox=Core.mailbox,
        ledger=Core.ledger,
        past=Core.past,
        replays=Core.replays,
        sagas=Core.sagas,
        read_models=providers.Singleton(
            MotorReadModels, Core.settings.provided.mongo_url, Core.settings.provided.mongo_database
        ),
        bus=providers.Singleton(RedisBus, live_redis),
        clock=Core.clock,
        ids=Core.ids,
        catalogue=providers.Callable(lambda runtimes: lambda: runtimes.rows, Core.runtimes),
        examples=providers.Singleton(example_scripts, EXAMPLES),
        defaults=Core.defaults,
        ceilings=Core.ceilings,
        network_hosts=Core.network_hosts,
        checks=providers.Dict(
            {
                "event store": Core.log.provided.head,
                "read models": providers.Callable(lambda m: lambda: m.generation("execution_status"), Core.read_models),
            }
        ),
        page=PAGE,
        is_https=False,
        threads=providers.Singleton(ThreadPoolExecutor, THREADS, "crossing"),
    )
