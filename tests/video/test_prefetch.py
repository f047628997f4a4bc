"""Iterators in threads: order, errors, and that nothing goes on once the reader has gone."""

from __future__ import annotations

import threading
import time

import pytest

from facedeblur.video.prefetch import mapped, prefetch


def test_an_error_and_the_end_reach_the_reader_in_their_place():
    def broken():
        yield 1
        yield 2
        raise KeyboardInterrupt

    with prefetch(iter(range(50))) as items:
        assert list(items) == list(range(50))
    with pytest.raises(KeyboardInterrupt), prefetch(broken()) as items:
        assert (next(items), next(items)) == (1, 2)
        next(items)


def test_a_reader_that_leaves_closes_what_it_read():
    closed = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    before = threading.active_count()
    with prefetch(endless()) as items:
        next(items)
    assert closed == ["facedeblur-prefetch"] and threading.active_count() == before


def test_mapped_keeps_the_order_whatever_takes_longest_and_works_side_by_side():
    meet = threading.Barrier(3, timeout=20)

    def work(item):
        if item < 3:
            meet.wait()  # passes only where three are at work at once
        time.sleep(0.02 * (item % 3))
        return item * item

    begun = []
    done = list(mapped(work, range(10), 3, lambda: begun.append(threading.get_ident())))
    assert done == [item * item for item in range(10)] and len(set(begun)) == 3


def test_mapped_reads_no_further_than_it_must_and_stops_at_an_error():
    read = []

    def items():
        for item in range(100):
            read.append(item)
            yield item

    def work(item):
        if item == 5:
            raise ValueError("five")
        return item

    results = mapped(work, items(), 2)
    assert next(results) == 0 and max(read) <= 2
    with pytest.raises(ValueError, match="five"):
        list(results)
    assert max(read) <= 8
