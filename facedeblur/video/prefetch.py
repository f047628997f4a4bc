"""Run an iterator in a thread, a few items ahead of its reader: decoding overlaps with what the reader does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

_POLL = 0.1  # seconds between two looks at whether the reader has gone
_END = object()


@contextmanager
def prefetch(items: Iterable[T], size: int = 2) -> Iterator[Iterator[T]]:
    """In the block: the items in order, of which a thread prepares at most `size` + 1 in advance.

    What the iterable raises is raised to the reader in its place. When the block ends, early or not, the thread ends
    after the item it is at; it has ended when the block is left.
    """
    queue: Queue[tuple[object, BaseException | None]] = Queue(size)
    left = threading.Event()

    def put(entry: tuple[object, BaseException | None]) -> bool:
        while not left.is_set():
            try:
                queue.put(entry, timeout=_POLL)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:  # also KeyboardInterrupt: the reader must not wait for ever
            put((_END, error))
        finally:
            if isinstance(items, Generator):
                items.close()

    def read() -> Iterator[T]:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    thread = threading.Thread(target=work, name="facedeblur-prefetch", daemon=True)
    thread.start()
    try:
        yield read()
    finally:
        left.set()
        while thread.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                thread.join(_POLL)


def mapped(
    work: Callable[[S], T], items: Iterable[S], threads: int = 1, begin: Callable[[], object] | None = None
) -> Iterator[T]:
    """`work` of every item, in order, of which so many threads do one each; `begin` is called in each of them first.

    Of what is ready, at most `threads` results wait for their reader.
    """
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, "facedeblur-mapped", begin) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
