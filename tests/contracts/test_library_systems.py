"""Systems of applications that follow one another, run by each of the library's runners, all in one database."""

import time
from collections.abc import Callable
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import (
    MultiThreadedRunner,
    NewMultiThreadedRunner,
    NewSingleThreadedRunner,
    ProcessApplication,
    SingleThreadedRunner,
    System,
)

RUNNERS = [SingleThreadedRunner, NewSingleThreadedRunner, MultiThreadedRunner, NewMultiThreadedRunner]
PATIENCE_SECONDS = 20.0


class Order(Aggregate):
    def __init__(self, product: str) -> None:
        self.product = product


class Delivery(Aggregate):
    def __init__(self, product: str) -> None:
        self.product = product


class Sales(Aggregate):
    def __init__(self, product: str) -> None:
        self.product = product
        self.sold = 0

    @staticmethod
    def create_id(product: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/sales/{product}")

    @event("Sold")
    def sell(self) -> None:
        self.sold += 1


class Shop(Application):
    def order(self, product: str) -> None:
        self.save(Order(product))


class Warehouse(ProcessApplication):
    @singledispatchmethod
    def policy(self, domain_event, processing_event) -> None:
        """Delivers what is ordered."""

    @policy.register(Order.Created)
    def _(self, ordered, processing_event) -> None:
        processing_event.collect_events(Delivery(ordered.product))


class Statistics(ProcessApplication):
    @singledispatchmethod
    def policy(self, domain_event, processing_event) -> None:
        """Counts what is delivered, and leaves the rest alone."""

    @policy.register(Delivery.Created)
    def _(self, delivered, processing_event) -> None:
        if delivered.product == "gift":
            return
        try:
            sales = self.repository.get(Sales.create_id(delivered.product))
        except AggregateNotFoundError:
            sales = Sales(delivered.product)
        sales.sell()
        processing_event.collect_events(sales)

    def sold(self, product: str) -> int:
        return self.repository.get(Sales.create_id(product)).sold


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("runner_class", RUNNERS)
def test_a_system_follows_every_event_once_and_goes_on_after_a_restart(library, runner_class):
    for round in (1, 2):
        runner = runner_class(System(pipes=[[Shop, Warehouse, Statistics]]))
        runner.start()
        shop, warehouse, statistics = (runner.get(kind) for kind in (Shop, Warehouse, Statistics))
        for product in ("book", "gift", "book"):
            shop.order(product)
        wait_until(lambda: statistics.recorder.has_tracking_id("Warehouse", 3 * round))  # noqa: B023
        assert statistics.sold("book") == 2 * round
        assert warehouse.recorder.max_tracking_id("Shop") == 3 * round
        assert [application.recorder.max_notification_id() for application in (shop, warehouse)] == [3 * round] * 2
        assert statistics.recorder.max_notification_id() == 1 + 2 * round
        runner.stop()
