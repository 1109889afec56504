"""What the workers have."""

from datetime import timedelta
from functools import partial

from dependency_injector import providers
from opentelemetry.metrics import get_meter

from adapters.kafka.dead_letters import DeadLetterTopic
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.relay import Relay
from adapters.mongo.holding import Roles
from adapters.mongo.read_models.outbox import Outbox
from adapters.mongo.read_models.read_models import MongoTasks
from adapters.redis.live_output import RedisLiveOutput
from adapters.redis.notices import RedisNotices
from adapters.redis.progress import RedisProgress
from adapters.telemetry.dead_letters import DeadLetterMetrics
from application.backlog import Backlog
from application.deadlines import Deadlines
from application.executor import Executor
from application.monitor import Monitor
from application.orchestrator import Orchestrator
from application.ports.work import Task
from application.queue import Queue
from application.reconciler import Reconciler, is_wanted
from application.replaying import Replaying, ReplayTask
from application.results import Results
from domain.pool import Places
from ops.containers.core import Core
from ops.hands import Processes
from ops.sandboxes import sandbox
from ops.settings import Settings
from projections.hands import Own
from projections.maintenance import Maintenance
from projections.maintenance_tasks import MAINTENANCE, MaintenanceTask
from projections.rebuild import Rebuild
from projections.redelivery import Redelivery
from projections.registry import ALL, BY_NAME
from projections.replay_tasks import REPLAY_TASKS
from projections.sandbox_tasks import EXECUTOR


def places(settings: Settings) -> Places:
    return Places(settings.slots, min(settings.user_slots or settings.slots, settings.slots))


def longest_wait(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.queue_seconds)


class Workers(Core):
    notices = providers.Singleton(RedisNotices, Core.redis)
    live_output = providers.Singleton(RedisLiveOutput, Core.redis, Core.seals)

    relay = providers.Singleton(
        Relay, Core.journal, Core.kafka_servers, Core.framing, providers.Callable(get_meter, "runledger.relay")
    )
    feed = providers.Singleton(KafkaFeed, Core.log, Core.kafka_servers)

    store_id = providers.Callable(lambda journal: lambda: journal.store.id, Core.journal)

    wanted = providers.Callable(partial, is_wanted, Core.log)
    sandbox = providers.Singleton(sandbox, Core.settings, Core.defaults, wanted)
    executor_tasks = providers.Singleton(
        MongoTasks, Core.read_models, providers.Object(EXECUTOR), providers.Object(Task)
    )
    executor_backlog = providers.Singleton(Backlog, executor_tasks)
    monitor_backlog = providers.Singleton(Backlog, Core.open_runs)
    queue = providers.Singleton(Queue, Core.open_runs)
    executor = providers.Singleton(Executor, Core.log, Core.seals, Core.clock, executor_backlog, sandbox, Core.runtimes)
    results_backlog = providers.Singleton(Backlog, Core.open_runs)
    monitor = providers.Factory(Monitor, Core.log, Core.clock, monitor_backlog, sandbox, live_output)
    results = providers.Singleton(
        Results, Core.log, Core.seals, Core.clock, results_backlog, sandbox, live_output, queue.provided.ended
    )
    reconciler = providers.Singleton(Reconciler, Core.log, Core.clock, Core.open_runs, executor_tasks, sandbox)
    places = providers.Callable(places, Core.settings)
    deadlines = providers.Factory(Deadlines, Core.log, providers.Callable(longest_wait, Core.settings))
    orchestrator = providers.Factory(Orchestrator, Core.log, Core.clock, queue, places, Core.ceilings, deadlines)

    roles = providers.Singleton(Roles, Core.database)
    replay_tasks = providers.Singleton(
        MongoTasks, Core.read_models, providers.Object(REPLAY_TASKS), providers.Object(ReplayTask)
    )
    replay_backlog = providers.Singleton(Backlog, replay_tasks)
    progress = providers.Singleton(RedisProgress, Core.redis)
    replaying = providers.Singleton(
        Replaying,
        Core.log,
        Core.clock,
        replay_backlog,
        roles,
        Core.selecting,
        Core.replay_marks,
        Core.outlets,
        progress,
    )

    own_hands = providers.Singleton(Own, Core.log, Core.read_models, Core.stored)
    hands = providers.Singleton(
        Processes, own_hands, Core.log.provided.head, Core.log.provided.lanes, Core.settings.provided.rebuild_processes
    )
    rebuild_of = providers.Factory(
        Rebuild, Core.read_models.provided.generations, Core.read_models, Core.log, hands, progress
    )
    maintenance_tasks = providers.Singleton(
        MongoTasks, Core.read_models, providers.Object(MAINTENANCE), providers.Object(MaintenanceTask)
    )
    maintenance_backlog = providers.Singleton(Backlog, maintenance_tasks)
    maintenance = providers.Singleton(
        Maintenance,
        Core.log,
        Core.clock,
        maintenance_backlog,
        roles,
        Core.read_models.provided.generations,
        providers.Object(BY_NAME),
        rebuild_of.provider,
        hands,
        progress,
    )
    redelivery = providers.Singleton(
        Redelivery,
        Core.log,
        Core.clock,
        roles,
        Core.mailbox,
        Core.dead_letters,
        providers.Object(ALL),
        providers.Singleton(DeadLetterMetrics, providers.Callable(get_meter, "runledger.dead_letters")),
        providers.Singleton(DeadLetterTopic, providers.Singleton(Outbox, Core.database), store_id, Core.kafka_servers),
    )
