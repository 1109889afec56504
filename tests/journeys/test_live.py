"""Live updates: every line as it comes, every frame once, whatever the connection does."""

import time

import pytest

from tests.journeys.conftest import execute, follow, frames_of, output_of

SLOW = "import time\nfor i in range(8):\n    print('line', i)\n    time.sleep(0.2)\n"


def test_each_line_is_shown_when_it_is_printed_and_not_at_the_end(api):
    run = execute(api, SLOW)
    seen = {}
    for message in follow(api, run):
        if message.event == "output":
            seen[message.id] = time.monotonic()
    moments = sorted(seen.values())
    assert len(moments) >= 6
    assert moments[-1] - moments[0] > 1.0


def test_a_stream_tells_the_whole_story_in_order_and_closes(api):
    messages = list(follow(api, execute(api, "print('hello')")))
    events = [message.event for message in messages]
    assert [event for event in events if event != "output"] == [
        "requested",
        "sandbox_created",
        "started",
        "finished",
        "result_stored",
    ]
    assert output_of(messages) == b"hello\n"


def test_coming_back_with_the_last_id_gives_every_frame_once(api):
    run = execute(api, SLOW)
    before = []
    for message in follow(api, run):
        before.append(message)
        if len(frames_of(before)) >= 3:
            break
    after = list(follow(api, run, before[-1].id))
    numbers = [number for number, _, _ in frames_of(before + after)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert output_of(before + after) == b"".join(b"line %d\n" % i for i in range(8))
    assert after[-1].event == "result_stored"
    events = [message.event for message in before + after if message.event != "output"]
    assert len(events) == len(set(events)), "no event twice"


def test_connecting_after_the_end_replays_everything_and_closes(api):
    run = execute(api, "print('a' * 100_000)")
    first, second = list(follow(api, run)), list(follow(api, run))
    assert output_of(first) == output_of(second) == b"a" * 100_000 + b"\n"
    assert second[-1].event == "result_stored"


def test_connecting_after_the_end_with_the_last_id_gives_only_the_result(api):
    run = execute(api, "print('x')")
    *_, last = follow(api, run)
    assert [message.event for message in follow(api, run, last.id)][-1] == "result_stored"
    assert frames_of(list(follow(api, run, last.id))) == []


@pytest.mark.parametrize("id", ["none of ours", "999999.1"], ids=["another-form", "of-the-future"])
def test_an_id_that_is_none_of_ours_starts_over_with_a_reset(api, id):
    run = execute(api, "print('x')")
    messages = list(follow(api, run, id))
    assert messages[0].event == "reset"
    assert output_of(messages) == b"x\n"


def test_both_streams_come_in_the_order_they_were_written(api):
    script = "import sys\nfor i in range(3):\n    print(i, flush=True)\n    print(i, file=sys.stderr, flush=True)\n"
    messages = list(follow(api, execute(api, script)))
    assert output_of(messages, 1) == output_of(messages, 2) == b"0\n1\n2\n"


def test_bytes_stay_bytes_also_where_they_are_no_utf8(api):
    everything = bytes(range(256)) * 40
    script = "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 40)"
    run = execute(api, script)
    assert output_of(list(follow(api, run))) == everything
    download = api.get(f"/executions/{run}/output/stdout")
    assert download.content == everything
    assert download.headers["content-disposition"].startswith("attachment")


def test_more_than_ten_thousand_lines_arrive_all(api):
    messages = list(follow(api, execute(api, "for i in range(20_000): print(i)")))
    assert output_of(messages) == b"".join(b"%d\n" % i for i in range(20_000))


def test_output_faster_than_anybody_reads_arrives_whole(api):
    run = execute(api, "for i in range(9): print('x' * 1_000_000)")
    messages = []
    for message in follow(api, run):
        messages.append(message)
        if message.event == "output":
            time.sleep(0.002)
    assert messages[-1].event == "result_stored"
    assert output_of(messages) == (b"x" * 1_000_000 + b"\n") * 9


def test_a_stream_resumed_between_the_end_and_the_result_tells_the_end_once(api):
    run = execute(api, "print('x')")
    finished = next(message for message in follow(api, run) if message.event == "finished")
    assert [message.event for message in follow(api, run, finished.id)] == ["result_stored"]


def test_cancel_closes_the_stream_with_the_result(api):
    run = execute(api, "import time\nprint('up', flush=True)\ntime.sleep(60)")
    events = []
    for message in follow(api, run):
        events.append(message.event)
        if message.event == "output":
            assert api.post(f"/executions/{run}/cancel", json={}).status_code == 202
            since = time.monotonic()
    assert events[-1] == "result_stored"
    assert message.data["status"] == "cancelled"
    assert time.monotonic() - since < 5
