"""The `eventsourcing` library on MongoDB: PERSISTENCE_MODULE=adapters.mongo.persistence, MONGO_URL, MONGO_DATABASE.

Each application has its own log in the database, under its name in lower case: `bank.commits` for one named Bank.
"""

import atexit
from typing import Any, TypeVar

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    OperationalError,
    ProcessRecorder,
    Recorder,
)
from eventsourcing.utils import Environment, EnvType, TopicError, resolve_topic
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidName, PyMongoError

from adapters.mongo.connection import Document, Place, connect
from adapters.mongo.library.processes import MongoProcessRecorder
from adapters.mongo.library.recorders import MongoAggregateRecorder, MongoApplicationRecorder, MongoSnapshotRecorder
from adapters.mongo.library.tracking import MongoTrackingRecorder
from adapters.mongo.log.journal import Journal
from adapters.mongo.writing.bell import Bell

R = TypeVar("R", bound=Recorder)

MONGO_URL = "MONGO_URL"
MONGO_DATABASE = "MONGO_DATABASE"
EXAMPLES = {MONGO_URL: "mongodb://127.0.0.1:27017/", MONGO_DATABASE: "bank"}


class Factory(InfrastructureFactory[MongoTrackingRecorder]):
    """Makes the recorders of one application.

    Raises OSError for a setting that is missing or cannot be used. The database is reached for when the first recorder
    is made: that raises OperationalError when it does not answer, and may be tried again.
    """

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self._database = self._open()
        self._place = self._find_place()
        self._journals: dict[str, Journal] = {}

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        if purpose == "events":
            return MongoAggregateRecorder(self._journal())
        return MongoSnapshotRecorder(self._journal(purpose))

    def application_recorder(self) -> ApplicationRecorder:
        return self._kind(MongoApplicationRecorder, self.APPLICATION_RECORDER_TOPIC)(self._journal())

    def process_recorder(self) -> ProcessRecorder:
        return self._kind(MongoProcessRecorder, self.PROCESS_RECORDER_TOPIC)(self._journal())

    def tracking_recorder(
        self, tracking_recorder_class: type[MongoTrackingRecorder] | None = None
    ) -> MongoTrackingRecorder:
        kind = tracking_recorder_class or self._kind(MongoTrackingRecorder, self.TRACKING_RECORDER_TOPIC)
        return kind(self._place)

    def close(self) -> None:
        atexit.unregister(self.close)
        while self._journals:
            self._journals.popitem()[1].close()
        self._database.client.close()

    # Settings -------------------------------------------------------------------------------------------------

    def _setting(self, key: str) -> str:
        value = self.env.get(key)
        if not value:
            raise OSError(
                f"{' or '.join(self.env.create_keys(key))} is not set: set it, for example to {EXAMPLES[key]}"
            )
        return value

    def _open(self) -> Database[Document]:
        url, name = self._setting(MONGO_URL), self._setting(MONGO_DATABASE)
        try:
            return connect(url)[name]
        except InvalidName as error:
            raise OSError(f"{MONGO_DATABASE} is {name!r}, which MongoDB does not take: {error}") from error
        except (ConfigurationError, ValueError) as error:
            raise OSError(f"{MONGO_URL} cannot be used: {error}; write it like {EXAMPLES[MONGO_URL]}") from error

    def _find_place(self) -> Place:
        """Of the application, or of all where it has no name."""
        try:
            return self._database[self.env.name.lower()] if self.env.name else self._database
        except InvalidName as error:
            raise OSError(f"the application's name cannot name its collections: {error}; set another `name`") from error

    def _kind(self, kind: type[R], setting: str) -> type[R]:
        """The class of recorder that the environment asks for, else this one."""
        topic = self.env.get(setting)
        try:
            found: Any = resolve_topic(topic) if topic else kind
        except TopicError as error:
            raise InfrastructureFactoryError(f"{setting} names {topic}, which cannot be imported: {error}") from error
        if not (isinstance(found, type) and issubclass(found, kind)):
            raise InfrastructureFactoryError(f"{setting} names {topic}, which is no {kind.__name__}")
        return found

    # The log --------------------------------------------------------------------------------------------------

    def _journal(self, part: str = "") -> Journal:
        """The application's log, or another one beside it for what has no place in it: its snapshots."""
        if part not in self._journals:
            self._journals[part] = self._open_journal(part)
            # An application that nobody closes closes itself in the end, but then it is too late for the driver.
            atexit.register(self.close)
        return self._journals[part]

    def _open_journal(self, part: str) -> Journal:
        try:
            # Nobody waits for snapshots, so they need no change stream.
            return Journal(self._place[part], bell_of=lambda _: Bell()) if part else Journal(self._place)
        except ConnectionFailure as error:
            raise OperationalError(f"no MongoDB answers at {MONGO_URL}: start it, or correct it ({error})") from error
        except PyMongoError as error:
            raise OperationalError(f"the database {self._database.name} cannot be used: {error}") from error
