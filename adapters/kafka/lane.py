"""One lane as one consumer sees it: what was delivered, and what it knows to be missing."""

from time import monotonic

from adapters.kafka.headers import Place

PAUSE_SECONDS = 5.0


class Lane:
    """Decides for each record whether it comes next, and remembers up to where the log has to be read instead."""

    def __init__(self, number: int, delivered: int) -> None:
        self.number = number
        self.delivered = delivered
        """The position up to which all of the lane's events were delivered."""
        self.wanted = delivered
        """An event that is known to exist; while it is ahead of `delivered`, the log is read."""
        self.hinted = delivered
        """Where the log's lane ended when it was last looked at."""
        self._paused_until = 0.0

    def expects(self, place: Place) -> bool:
        """Whether this is the next event. One behind a missing one is not: it is read from the log in its turn."""
        if place.position > self.delivered >= max(self.wanted, place.previous):
            return True
        self.wanted = max(self.wanted, place.position)
        return False

    def take_from_log(self, place: Place) -> None:
        """This event comes next, and what Kafka brought of it cannot be read."""
        self.wanted = place.position

    def hint(self, head: int, is_silent: bool) -> None:
        """The lane ends at `head`. An event on its way is given until the next look, unless Kafka is silent."""
        self.wanted = max(self.wanted, head if is_silent else self.hinted)
        self.hinted = head

    @property
    def is_behind(self) -> bool:
        """Whether it has to be read from the log now."""
        return self.delivered < self.wanted and monotonic() >= self._paused_until

    def pause(self) -> None:
        """Leave it alone for a while: what should come next is not there."""
        self._paused_until = monotonic() + PAUSE_SECONDS
