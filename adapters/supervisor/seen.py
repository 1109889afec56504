"""What of a run's frames somebody has had."""

from application.ports.sandbox import Ended, Frame, Output, Started


class Seen:
    """What a watcher has had already, so that a second source repeats nothing."""

    def __init__(self, after: int) -> None:
        self.last = after
        self._started = False

    def is_new(self, frame: Frame) -> bool:
        match frame:
            case Started():
                is_new, self._started = not self._started, True
            case Output(number=number):
                is_new, self.last = number > self.last, max(number, self.last)
            case Ended():
                is_new = True
        return is_new
