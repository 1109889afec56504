"""What read models have yet to fold."""

from datetime import datetime

from pymongo.database import Database

from adapters.mongo.commits import envelope
from adapters.mongo.connection import Document, durable, reachable
from adapters.mongo.log.journal import Journal
from adapters.mongo.read_models.moves import LETTERS


class MongoWaiting:
    """Implements the port Waiting."""

    def __init__(self, journal: Journal, database: Database[Document]) -> None:
        self._journal = journal
        self._letters = durable(database, LETTERS)

    def waiting(self, lane: int, after: int, upto: int, limit: int) -> tuple[int, datetime | None]:
        with reachable():
            found = self._journal.reading.of_lane(lane, after, upto, limit)
        return len(found), envelope.decode_or_tell(*found[0]).at if found else None

    def parked(self, projection: str, generation: int) -> int:
        with reachable():
            return self._letters.count_documents({"projection": projection, "generation": generation})
