"""A warm process from which every submission's child is forked in milliseconds.

The zygote imports what notebooks import, once, keeps to a single thread (so that forking is safe),
and runs no code of any student. It listens on one socket: the parent asks it to fork, and hands over
the child's end of a channel; later it asks it to end that child, and learns how the child ended.
`Zygote.start` is the one place where a child comes into being: isolation belongs there.
"""

import atexit
import contextlib
import ctypes
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from grading.limits import Limits

ROOT = Path(__file__).resolve().parents[1]
_READY_SECONDS = 180.0


@dataclass
class Child:
    """A process that runs one submission, seen from the parent."""

    sock: socket.socket
    pid: int
    folder: str


class Zygote:
    """The parent's handle on its zygote; one per process that grades."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        self.control, theirs = socket.socketpair()
        self.control.settimeout(_READY_SECONDS)
        with theirs:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-c"),
                    f"from grading.zygote import serve; serve({theirs.fileno()})",
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=self.scratch.name,
                env=_environment(self.scratch.name),
            )

    def start(self, limits: Limits, seed: int) -> Child:
        """Fork a child in an empty folder of its own; its random numbers start from `seed`.

        Raises:
            OSError: if the zygote is gone.
        """
        folder = tempfile.mkdtemp(dir=self.scratch.name)
        ours, theirs = socket.socketpair()
        request = {"start": limits.to_dict(), "seed": seed, "folder": folder}
        try:
            with theirs:
                socket.send_fds(self.control, [_line(request)], [theirs.fileno()])
            return Child(ours, _answer(self.control)["pid"], folder)
        except (OSError, ValueError):
            ours.close()
            raise OSError("the process that starts students' code is gone") from None

    def end(self, child: Child, *, gone: bool = False) -> str:
        """Kill whatever is left of the child. If it is `gone` already, say how it ended."""
        child.sock.close()
        try:
            self.control.sendall(_line({"end": child.pid, "gone": gone}))
            return _answer(self.control)["how"]
        except (OSError, ValueError):
            return ""

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.scratch.cleanup()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


_shared: dict[int, Zygote] = {}


def shared() -> Zygote:
    """This process's zygote, started when it is first asked for, and again if it was lost."""
    zygote = _shared.get(os.getpid())
    if zygote is None or not zygote.alive:
        close_shared()
        atexit.register(close_shared)
        zygote = _shared[os.getpid()] = Zygote()
    return zygote


def close_shared() -> None:
    """End this process's zygote, if it has one."""
    atexit.unregister(close_shared)
    zygote = _shared.pop(os.getpid(), None)
    if zygote is not None:
        zygote.close()


def _environment(scratch: str) -> dict[str, str]:
    """What a notebook needs, and nothing else of the instructor's environment."""
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join([str(ROOT), *(os.path.abspath(p) for p in own if p)])
    return {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": os.environ.get("HOME", scratch),  # for matplotlib's fonts; children get their own
        "IPYTHONDIR": scratch,
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


# What follows runs in the zygote.


def serve(fileno: int) -> None:
    """Answer the parent until it hangs up, then end every child."""
    control = socket.socket(fileno=fileno)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from grading import child

    child.warm()
    gc.collect()
    gc.freeze()
    running: set[int] = set()
    with contextlib.suppress(OSError):
        while True:
            data, fds, _, _ = socket.recv_fds(control, 1 << 16, 1)
            if not data:
                break
            request = json.loads(data)
            if "start" in request:
                pid = _fork(control, fds[0], request)
                running.add(pid)
                control.sendall(_line({"pid": pid}))
            else:
                pid = request["end"]
                running.discard(pid)
                control.sendall(_line({"how": _reap(pid, request["gone"])}))
    for pid in running:
        _reap(pid, gone=False)
    shutil.rmtree(os.getcwd(), ignore_errors=True)  # the parent may have been killed
    os._exit(0)


def _fork(control: socket.socket, fileno: int, request: dict) -> int:
    pid = os.fork()
    if pid:
        os.close(fileno)
        return pid
    status = 1
    try:
        control.close()
        os.setsid()
        if sys.platform == "linux":  # nothing outlives the zygote
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from grading import child

        os.chdir(request["folder"])
        child.run(socket.socket(fileno=fileno), Limits(**request["start"]), request["seed"])
        status = 0
    finally:
        os._exit(status)


def _reap(pid: int, gone: bool) -> str:
    """Kill the child's process group and wait; put its end into words if it was `gone` before."""
    until = time.monotonic() + 2
    while gone and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        gone = time.monotonic() < until  # it hung up, so it is about to end
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not gone:
        return ""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
