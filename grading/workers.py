"""Processes that grade, one submission at a time each, so that a lost one costs its own work only."""

import contextlib
import multiprocessing
import os
import queue
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from grading import zygote
from grading.verdict import warm

PATIENCE = 900.0
"""So many seconds may one task take; what a submission itself may take is in `limits`."""


class Lost(RuntimeError):
    """The process ended, or was ended, before it answered."""


class Workers(Executor):
    """A pool of processes; each has a zygote of its own, and is replaced if it is lost.

    Unlike `ProcessPoolExecutor`, it knows which task took a process down: that task alone raises
    `Lost`, and the others go on.

    Args:
        jobs: how many; by default one per core.
        patience: seconds until a process that does not answer is killed.

    >>> with Workers(1) as pool: pool.submit(abs, -1).result()
    1
    """

    def __init__(self, jobs: int | None = None, patience: float = PATIENCE):
        self.width = jobs or len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(self.width, thread_name_prefix="grading")
        self._workers = [_Worker(patience) for _ in range(self.width)]
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def submit(self, function: Callable, /, *args: Any, **kwargs: Any) -> Future:
        return self._threads.submit(self._run, function, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes: after their work, or (`wait=False`) at once."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures or not wait)
        for worker in self._workers:
            worker.close(kill=not wait)

    def pids(self) -> list[int]:
        """The processes that are there now; one starts when it is first needed."""
        return [w.process.pid for w in self._workers if w.process is not None]

    def _run(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        worker = self._idle.get()
        try:
            return worker.run(function, args, kwargs)
        finally:
            self._idle.put(worker)


class _Worker:
    """The parent's handle on one process."""

    def __init__(self, patience: float):
        self.patience = patience
        self.process: multiprocessing.Process | None = None
        self.closed = False

    def run(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        if self.process is None:
            self._start()
        try:
            self._ours.send((function, args, kwargs))
            if not self._ours.poll(self.patience):
                self._end(kill=True)
                raise Lost(f"its process gave no answer in {self.patience:g} seconds")
            good, value = self._ours.recv()
        except (EOFError, OSError):
            raise Lost(f"its process ended ({self._end(kill=True)})") from None
        if good:
            return value
        raise value

    def close(self, *, kill: bool) -> None:
        self.closed = True
        if self.process is not None:
            self._end(kill=kill)

    def _start(self) -> None:
        if self.closed:
            raise Lost("grading was stopped")
        context = multiprocessing.get_context("forkserver")  # imports once, then forks
        context.set_forkserver_preload(["grading.workers"])
        self._ours, theirs = context.Pipe()
        with theirs:
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
        self.process = process

    def _end(self, *, kill: bool) -> str:
        """End the process; how it ended."""
        process, self.process = self.process, None
        if process is None:  # ended meanwhile, by `close`
            return "grading was stopped"
        if kill:
            process.join(0.1)  # one that is about to end by itself says how
            process.kill()
        with contextlib.suppress(OSError):
            self._ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
        code = process.exitcode
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _serve(pipe: Connection) -> None:
    """What runs in the process: answer until the parent hangs up, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    warm()
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, args, kwargs = pipe.recv()
            try:
                answer = True, function(*args, **kwargs)
            except BaseException as error:
                answer = False, error
            try:
                pipe.send(answer)
            except OSError:
                raise
            except Exception as error:  # it cannot be pickled
                pipe.send((False, RuntimeError(f"{answer[1]!r:.300}: {error}"[:600])))
    zygote.close_shared()
