"""The `eventsourcing` library's tracking recorder, on which views of one's own are made."""

from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, Tracking, TrackingRecorder
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from adapters.mongo.connection import Document, Place, durable, operational
from adapters.mongo.settling import OutcomeUnknown, refuse_known, settle
from adapters.mongo.transactions import in_transaction


class MongoTrackingRecorder(TrackingRecorder):
    """How far each application was followed: one document each, which changes together with the view.

    `place` is where the collections of this recorder lie.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._tracking = self.collection("tracking")
        self._client = self._tracking.database.client

    def collection(self, name: str) -> Collection[Document]:
        """A collection of this view."""
        return durable(self._place, name)

    def insert_tracking(self, tracking: Tracking) -> None:
        self.record(tracking, lambda _session: None)

    def record(self, tracking: Tracking, change: Callable[[ClientSession], object]) -> None:
        """Change the view and record that it has come so far, all or nothing.

        All that `change` does must be done in the session it is given; it may be called more than once, and only the
        last call counts. Raises IntegrityError when the application has been followed as far already, OperationalError
        when the server cannot be reached (nothing has changed), OutcomeUnknown when it did not come back.
        """
        attempt = uuid4()

        def act(session: ClientSession) -> None:
            self._move(tracking, attempt, session)
            change(session)

        try:
            self._transact(act)
        except PyMongoError as error:
            refuse_known(error)
            settle(partial(self._record_again, tracking, attempt, act))

    def _transact(self, act: Callable[[ClientSession], None]) -> None:
        try:
            in_transaction(self._client, act)
        except DuplicateKeyError as error:
            raise IntegrityError(str(error)) from error

    def _move(self, tracking: Tracking, attempt: UUID, session: ClientSession) -> None:
        before = {"_id": tracking.application_name, "n": {"$lt": tracking.notification_id}}
        after = {"n": tracking.notification_id, "c": attempt}
        try:
            self._tracking.update_one(before, {"$set": after}, upsert=True, session=session)
        except DuplicateKeyError as error:
            raise IntegrityError(
                f"{tracking.application_name} has been followed to notification {tracking.notification_id} already, "
                "or farther"
            ) from error

    def _record_again(self, tracking: Tracking, attempt: UUID, act: Callable[[ClientSession], None]) -> bool:
        """Raises IntegrityError when another one recorded it, OutcomeUnknown when a later one hides who did."""
        try:
            self._transact(act)
        except IntegrityError as error:
            found = self._tracking.find_one({"_id": tracking.application_name})
            if found and found["n"] > tracking.notification_id:
                raise OutcomeUnknown(OutcomeUnknown.__doc__) from error
            if not found or found["c"] != attempt:
                raise
        return True

    def max_tracking_id(self, application_name: str) -> int | None:
        with operational():
            found = self._tracking.find_one({"_id": application_name})
        return found["n"] if found else None
