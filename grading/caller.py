"""Calling the functions of a notebook that runs in another process.

A `Session` keeps a child in which the notebook's cells have run. When a call or a cell takes too
long, or takes the child down, the child is killed and a fresh one takes its place: the cells run
again (without the one that did the harm), so one function's fault costs that function only.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dgm_lib.checks.call import CallFailed, Plain
from grading import zygote
from grading.channel import Broken, Channel, Closed, Late, decode, pack
from grading.limits import Limits
from grading.zygote import Child

_KINDS = ("not written", "error", "not plain")
_NOTES, _NOTE = 20, 1000
_WALLS = (
    "While a notebook is graded it starts no other programs, has no network, and writes files in its "
    "own folder only"
)


@dataclass
class Cell:
    """A code cell of the submission, and what came of running it."""

    key: str
    source: str
    state: str = ""
    """"" (not run), "ok", "error", "timeout" or "died"."""
    message: str = ""
    outputs: list[dict] = field(default_factory=list)


class Session:
    """One submission, running; replaced by a fresh run of itself after a fault.

    Args:
        cells: what to run, in order.
        limits: what it may use.
        seed: where its random numbers start.
        checks: the module with the unit's checks, whose references are sealed in the child; "" for
            none.
        sandboxed: without it, the code runs with the rights of whoever grades.
    """

    def __init__(
        self,
        cells: list[Cell],
        limits: Limits,
        seed: int,
        checks: str = "",
        *,
        sandboxed: bool = True,
    ):
        self.checks, self.sandboxed = checks, sandboxed
        self.zygote = zygote.shared(checks, sandboxed=sandboxed)
        self.cells = cells
        self.limits = limits
        self.seed = seed
        self.deadline = time.monotonic() + limits.total_seconds
        self.waited = 0.0
        """Seconds spent waiting for the student's code."""
        self.child: Child | None = None
        self.channel: Channel | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def prepare(self) -> None:
        """Have a child in which all cells have run that can. Raises `CallFailed`."""
        while self.child is None:
            self._check_clock()
            self._start()
            for cell in self.cells:
                if cell.state in ("timeout", "died"):
                    continue
                if not self._run(cell):
                    break  # and start again, without it

    def ask(self, header: dict, blob: bytes, seconds: float) -> tuple[dict, list[bytearray]]:
        """One question to the child. Raises `CallFailed` if it takes too long or dies of it."""
        self.prepare()
        try:
            return self._exchange(header, [blob], seconds)
        except Late:
            self.stop()
            raise CallFailed("timeout", _too_long("a call of it", seconds)) from None
        except (Closed, Broken) as error:
            how = self.stop(gone=isinstance(error, Closed))
            raise CallFailed("died", _ended("calling it", how)) from None

    def stop(self, *, gone: bool = False) -> str:
        """End the child; how it ended, if it was gone before."""
        if self.child is None:
            return ""
        child, self.child = self.child, None
        return self.zygote.end(child, gone=gone)

    def _start(self) -> None:
        try:
            self.child = self.zygote.start(self.limits, self.seed)
        except zygote.Gone:
            zygote.close_shared()
            self.zygote = zygote.shared(self.checks, sandboxed=self.sandboxed)
            self.child = self.zygote.start(self.limits, self.seed)
        self.channel = Channel(self.child.sock, self.limits.message_bytes)

    def _run(self, cell: Cell) -> bool:
        """Run one cell; whether the child lives on."""
        seconds = self.limits.cell_seconds
        try:
            reply, _ = self._exchange({"cell": cell.source}, [], seconds)
            outputs, error = reply["outputs"], reply["error"]
        except Late:
            self.stop()
            cell.state, cell.message = "timeout", _too_long("this cell", seconds)
        except (Closed, Broken, KeyError) as fault:
            how = self.stop(gone=isinstance(fault, Closed))
            cell.state, cell.message = "died", _ended("running this cell", how)
        else:
            if not cell.state:
                cell.outputs = outputs if isinstance(outputs, list) else []
            cell.state, cell.message = ("error" if error else "ok"), _kindly(str(error)[:400])
            return True
        cell.outputs = []
        return False

    def _exchange(
        self, header: dict, blobs: list[bytes], seconds: float
    ) -> tuple[dict, list[bytearray]]:
        started = time.monotonic()
        seconds = min(seconds, max(self.deadline - started, 0.01))
        token = secrets.token_hex(8)
        try:
            self.channel.send({**header, "token": token}, blobs, seconds)
            reply, arrays = self.channel.receive(seconds)
            if reply.get("token") != token:
                raise Broken("a reply that nobody asked for")
            return reply, arrays
        finally:
            self.waited += time.monotonic() - started

    def _check_clock(self) -> None:
        if time.monotonic() > self.deadline:
            raise CallFailed("timeout", _too_long("the notebook", self.limits.total_seconds))


class RemoteCaller:
    """A function of the session's notebook, as `dgm_lib.checks` calls it.

    Args:
        session: where the function lives.
        name: the function's name in the notebook.
        cell: the cell that should define it, if the submission has one.
    """

    def __init__(self, session: Session, name: str, cell: Cell | None):
        self.session = session
        self.name = name
        self.cell = cell
        self.notes: list[str] = []
        self._late = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Plain:
        return self._ask("__call__", args, kwargs)

    def gradient(
        self, *args: Any, wrt: Sequence[int], output: int | None = None, **kwargs: Any
    ) -> tuple[Tensor, ...]:
        result = self._ask("gradient", args, {**kwargs, "wrt": wrt, "output": output})
        if not isinstance(result, tuple) or not all(isinstance(g, Tensor) for g in result):
            raise CallFailed("not plain", "its gradient cannot be used")
        return result

    def _ask(self, kind: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Plain:
        limits = self.session.limits
        if self._late >= limits.timeouts:
            raise CallFailed("timeout", _too_long("a call of it", limits.call_seconds))
        self.session.prepare()
        if self.cell is None:
            raise CallFailed("error", f"the cell `{self.name}` is missing from the notebook")
        if self.cell.state in ("timeout", "died"):
            raise CallFailed(self.cell.state, f"in the cell of `{self.name}`: {self.cell.message}")
        try:
            reply, blobs = self.session.ask(
                {"function": self.name, "kind": kind},
                pack((args, kwargs)),
                limits.call_seconds,
            )
        except CallFailed as failure:
            self._late += failure.kind == "timeout"
            raise
        notes = reply.get("notes")
        for note in notes[:_NOTES] if isinstance(notes, list) else ():
            if isinstance(note, str) and note not in self.notes and len(self.notes) < _NOTES:
                self.notes.append(note[:_NOTE])
        if "failed" in reply:
            raise self._failure(reply)
        try:
            return decode(reply["result"], blobs)
        except (Broken, KeyError):
            raise CallFailed("not plain", "its result cannot be used") from None

    def _failure(self, reply: dict) -> CallFailed:
        kind, message = reply["failed"], _kindly(str(reply.get("message", ""))[:2000])
        if kind in _KINDS:
            return CallFailed(kind, message)
        if self.cell.state == "error":
            earlier = self.session.cells[: self.session.cells.index(self.cell)]
            bad = next((c for c in earlier if c.state != "ok"), None)
            before = f" (before it, the cell `{bad.key}` failed: {bad.message})" if bad else ""
            return CallFailed("error", f"its cell stops with {self.cell.message}{before}")
        return CallFailed("error", f"its cell runs, but defines no function `{self.name}`")


def _kindly(message: str) -> str:
    return f"{message}. {_WALLS}" if "PermissionError" in message else message


def _too_long(what: str, seconds: float) -> str:
    return f"{what} took more than {seconds:g} seconds; look for a loop that never ends"


def _ended(doing: str, how: str) -> str:
    return (
        f"{doing} ended the Python process{f' ({how})' if how else ''}; "
        "look for exit() or os._exit(), or for a crash in compiled code"
    )
