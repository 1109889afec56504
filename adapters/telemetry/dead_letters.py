"""The alarm for parked events, as a metric; docs/reference/metrics.md says what it means."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from opentelemetry.metrics import CallbackOptions, Meter, Observation


class DeadLetterMetrics:
    """Implements the port Alarm. Only the active worker knows anything to tell, so that nothing counts twice."""

    def __init__(self, meter: Meter) -> None:
        self._parked: Mapping[str, int] = MappingProxyType({})
        meter.create_observable_gauge(
            "runledger_dead_letters", [self._look], "{event}", "Events that wait because they could not be folded."
        )

    def tell(self, parked: Mapping[str, int]) -> None:
        self._parked = parked

    def _look(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(number, {"projection": name}) for name, number in self._parked.items()]
