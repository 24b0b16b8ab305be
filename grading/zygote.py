"""A warm process from which every submission's process is forked in milliseconds: the parent's side.

The zygote (`grading.warden`) imports what notebooks import, once, keeps to a single thread (so that
forking is safe), and runs no code of any student. It lives in the sandbox with a sealed copy of the
library. The parent asks it for a child, and hands over that child's end of a channel; later it asks
it to end that child, and learns how the child ended.
"""

import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dgm_lib.checks.call import Unreachable
from grading import confine, sandbox
from grading.limits import Limits
from grading.seal import seal

_READY_SECONDS = 180.0


class Gone(Unreachable, OSError):
    """The zygote has ended, or gives no answer."""


@dataclass
class Child:
    """A process that runs one submission, seen from the parent."""

    sock: socket.socket
    pid: int
    folder: str
    """Where it runs, if it is not in a sandbox with a folder of its own."""


class Zygote:
    """The parent's handle on its zygote.

    Args:
        checks: the module with the checks of the unit to be graded; its references are sealed.
        sandboxed: without it, students' code runs with the rights of whoever grades.

    Raises:
        sandbox.Unavailable: if this machine cannot make a sandbox.
    """

    def __init__(self, checks: str, *, sandboxed: bool = True):
        if sandboxed:
            sandbox.require()
        self.checks, self.sandboxed, self._served = checks, sandboxed, False
        self._folder = tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        course, self.scratch = Path(self._folder.name, "course"), Path(self._folder.name, "scratch")
        seal(checks, course)
        self.scratch.mkdir()
        self.control, theirs = socket.socketpair()
        self.control.settimeout(_READY_SECONDS)
        self._log = open(Path(self._folder.name, "log"), "w+")  # noqa: SIM115 (closed in _tidy)
        try:
            with theirs:
                self.process, self._first = self._launch(theirs.fileno(), course)
        except BaseException:
            self._tidy()
            raise

    def _launch(self, control: int, course: Path) -> tuple[subprocess.Popen, int | None]:
        """The zygote, and process 1 of its sandbox: when that is killed, all in there is."""
        serve = f"from grading.warden import serve; serve({control}, {self.checks!r}, "
        python = [sys.executable, "-P", "-c", f"{serve}sandbox={self.sandboxed})"]
        stdio = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": self._log}
        if not self.sandboxed:
            variables = _environment(str(course), str(self.scratch))
            return subprocess.Popen(
                python, pass_fds=[control], cwd=self.scratch, env=variables, **stdio
            ), None
        wrap = sandbox.command(str(course), _environment(sandbox.COURSE, confine.SCRATCH))
        info, theirs = os.pipe()
        with open(info) as file:
            process = subprocess.Popen(
                [*wrap, "--info-fd", str(theirs), *python],
                pass_fds=[control, theirs],
                env={"PATH": os.environ.get("PATH", os.defpath)},
                **stdio,
            )
            os.close(theirs)
            said = file.read()
        if not said:
            process.wait()
            raise sandbox.Unavailable(sandbox.refusal(self._last_words()))
        return process, json.loads(said)["child-pid"]

    def start(self, limits: Limits, seed: int) -> Child:
        """Fork a child; its random numbers start from `seed`.

        Raises:
            Gone: if the zygote is.
            sandbox.Unavailable: if the kernel refuses a part of the sandbox.
        """
        ours, theirs = socket.socketpair()
        folder = "" if self.sandboxed else tempfile.mkdtemp(dir=self.scratch)
        request = {"start": limits.to_dict(), "seed": seed, "folder": folder}
        try:
            with theirs:
                socket.send_fds(self.control, [_line(request)], [theirs.fileno()])
            pid = _answer(self.control)["pid"]
            self._served = True
            ours.settimeout(_READY_SECONDS)
            trouble = _answer(ours)["trouble"]
        except (OSError, ValueError):
            ours.close()
            words = self._last_words()
            if words.startswith("bwrap: ") and not self._served:  # no student's code has run yet
                raise sandbox.Unavailable(sandbox.refusal(words)) from None
            raise Gone(f"the process that starts students' code is gone: {words}") from None
        if trouble:
            ours.close()
            raise sandbox.Unavailable(sandbox.refusal(trouble))
        return Child(ours, pid, folder)

    def end(self, child: Child, *, gone: bool = False) -> str:
        """End all that is left of the child. If it is `gone` already, say how it ended."""
        child.sock.close()
        try:
            self.control.sendall(_line({"end": child.pid, "gone": gone}))
            return _answer(self.control)["how"]
        except (OSError, ValueError):
            return ""
        finally:
            if child.folder:
                shutil.rmtree(child.folder, ignore_errors=True)

    def close(self) -> None:
        self.control.close()  # it ends by itself
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1)
        if self._first is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._first, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._tidy()

    def _tidy(self) -> None:
        self.control.close()
        self._log.close()
        self._folder.cleanup()

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read()[-300:].strip()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


_shared: dict[int, Zygote] = {}


def shared(checks: str, *, sandboxed: bool = True) -> Zygote:
    """This process's zygote for a unit; another takes its place for another unit, or if it is lost."""
    zygote = _shared.get(os.getpid())
    fits = zygote and (zygote.checks, zygote.sandboxed) == (checks, sandboxed) and zygote.alive
    if not fits:
        close_shared()
        zygote = Zygote(checks, sandboxed=sandboxed)
        atexit.register(close_shared)
        _shared[os.getpid()] = zygote
    return zygote


def close_shared() -> None:
    """End this process's zygote, if it has one."""
    atexit.unregister(close_shared)
    zygote = _shared.pop(os.getpid(), None)
    if zygote is not None:
        zygote.close()


def _environment(course: str, scratch: str) -> dict[str, str]:
    """What a notebook needs, and nothing of the instructor's environment."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": course,
        "PYTHONDONTWRITEBYTECODE": "1",
        "USER": "student",
        **dict.fromkeys(("HOME", "IPYTHONDIR", "TMPDIR"), scratch),
        "MPLCONFIGDIR": str(Path(scratch, "matplotlib")),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }


def _line(message: dict) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _answer(sock: socket.socket) -> dict:
    data = b""
    while not data.endswith(b"\n"):
        chunk = sock.recv(4096)
        if not chunk:
            raise OSError("closed")
        data += chunk
    return json.loads(data)
