"""Twelve jobs at once with asyncio, three at a time; the answers are printed in the order they were asked for."""

import asyncio

JOBS, AT_ONCE = 12, 3


class Meter:
    """Counts how many jobs run, and how many ran at the same time at most."""

    def __init__(self):
        self.now = self.most = 0

    def __enter__(self):
        self.now += 1
        self.most = max(self.most, self.now)

    def __exit__(self, *_):
        self.now -= 1


def collatz_steps(number):
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


async def job(number, limit, meter):
    async with limit:
        with meter:
            await asyncio.sleep(0.01 * (number % 4))
            return collatz_steps(number)


async def main():
    limit, meter = asyncio.Semaphore(AT_ONCE), Meter()
    answers = await asyncio.gather(*(job(number, limit, meter) for number in range(20, 20 + JOBS)))
    for number, steps in enumerate(answers, start=20):
        print(f"{number} reaches 1 in {steps:3} steps")
    print(f"{JOBS} jobs, {meter.most} at the same time")


asyncio.run(main())
