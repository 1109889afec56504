"""The `eventsourcing` library's tracking recorder, on which views of one's own are made."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, OperationalError, Tracking, TrackingRecorder
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from adapters.mongo.connection import Document, Place, durable, operational
from adapters.mongo.transactions import Transactions
from adapters.mongo.writing.settling import OutcomeUnknown, refuse_known, settle

TRIES = 10
"""How often a view is taken over for one change of it, when another recorder takes it back each time."""


class NotOwner(Exception):
    """Another recorder may change this view, until this one takes it over."""


class MongoTrackingRecorder(TrackingRecorder):
    """How far each application was followed: one document each, which changes together with the view.

    `place` is where the collections of this recorder lie.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._tracking = self.collection("tracking")
        self._transactions = Transactions(self._tracking)

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
            self._transact(tracking.application_name, act)
        except PyMongoError as error:
            refuse_known(error)
            settle(partial(self._record_again, tracking, attempt, act))

    def _transact(self, name: str, act: Callable[[ClientSession], None]) -> None:
        try:
            for _ in range(TRIES):
                with suppress(NotOwner):
                    return self._transactions.run(act)
                self._transactions.take_over(name, {"$setOnInsert": {"n": 0}}, upsert=True)
        except DuplicateKeyError as error:
            raise IntegrityError(str(error)) from error
        raise OperationalError(f"Others follow {name} for this view as well, and are faster.")

    def _move(self, tracking: Tracking, attempt: UUID, session: ClientSession) -> None:
        name, n = tracking.application_name, tracking.notification_id
        mine = {"_id": name, "session": self._transactions.session}
        moved = self._tracking.update_one({**mine, "n": {"$lt": n}}, {"$set": {"n": n, "c": attempt}}, session=session)
        if moved.matched_count:
            return
        found = self._tracking.find_one({"_id": name}, session=session)
        if found is None or found["n"] < n:
            raise NotOwner
        raise IntegrityError(f"{name} has been followed to notification {n} already, or farther")

    def _record_again(self, tracking: Tracking, attempt: UUID, act: Callable[[ClientSession], None]) -> bool:
        """Raises IntegrityError when another one recorded it, OutcomeUnknown when a later one hides who did."""
        try:
            self._transact(tracking.application_name, act)
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
        return (found["n"] or None) if found else None
