"""The same jobs on a Dask cluster: `python -m grading autograde UNIT --scheduler tcp://...`.

Each of the cluster's worker processes needs this repository, with the extra `cluster`, and has a
zygote of its own. Dask runs again what was lost with a worker.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from grading import results
from grading.verdict import warm

_turn = threading.Lock()


class Cluster(Executor):
    """A Dask cluster behind the interface of `concurrent.futures`.

    Args:
        address: the scheduler's, for example `tcp://10.0.0.1:8786`.

    Raises:
        RuntimeError: if Dask is not installed, or no scheduler answers.
    """

    def __init__(self, address: str, seconds: float = 10.0):
        try:
            from distributed import Client
        except ImportError:
            raise RuntimeError(
                "scheduler: Dask is missing; install it with pip install -e '.[grading,cluster]'"
            ) from None
        try:
            self._client = Client(address, timeout=seconds, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RuntimeError(f"scheduler: no Dask scheduler answers at {address}") from error
        self._executor = self._client.get_executor(pure=False)

    @property
    def width(self) -> int:
        """How many processes grade at once."""
        return max(len(self._client.scheduler_info(n_workers=-1)["workers"]), 1)

    def submit(self, function: Callable, /, *args: Any, **kwargs: Any) -> Future:
        return self._executor.submit(_run, results.code(), function, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait)  # without waiting, Dask cancels what is left
        self._client.close()


def _run(code: bytes, function: Callable, args: tuple, kwargs: dict) -> Any:
    """What runs in a worker: one task at a time, since a process has one zygote."""
    if code != results.code():
        raise RuntimeError("this worker has another version of the course than who asks")
    with _turn:
        warm()
        return function(*args, **kwargs)
