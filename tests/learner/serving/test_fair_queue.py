"""The round-robin queue of turns per community."""

import queue
import threading

import pytest

from learner.serving.fair_queue import FairQueue


def test_a_busy_community_does_not_make_another_wait():
    lines: FairQueue[str] = FairQueue()
    for number in range(50):
        lines.put(f"busy {number}", "busy")
    lines.put("quiet 0", "quiet")
    lines.put("quiet 1", "quiet")
    assert [lines.get() for _ in range(5)] == ["busy 0", "quiet 0", "busy 1", "quiet 1", "busy 2"]


def test_what_is_urgent_comes_first():
    lines: FairQueue[str] = FairQueue()
    lines.put("turn", "guild")
    lines.put_urgent("load an adapter")
    assert [lines.get(), lines.get()] == ["load an adapter", "turn"]


def test_get_waits_no_longer_than_its_timeout():
    lines: FairQueue[str] = FairQueue()
    with pytest.raises(queue.Empty):
        lines.get(timeout=0.05)
    threading.Timer(0.05, lines.put, ("late", "guild")).start()
    assert lines.get(timeout=120) == "late"


def test_nothing_is_lost_or_doubled_between_threads():
    lines: FairQueue[tuple[int, int]] = FairQueue()
    writers = [
        threading.Thread(target=lambda w=w: [lines.put((w, n), str(w)) for n in range(500)]) for w in range(4)
    ]
    for writer in writers:
        writer.start()
    found = [lines.get(timeout=120) for _ in range(2000)]
    assert sorted(found) == [(w, n) for w in range(4) for n in range(500)]
    for w in range(4):
        assert [n for line, n in found if line == w] == list(range(500))
