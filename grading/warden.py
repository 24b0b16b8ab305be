"""The zygote's side: a warm process, from which every submission's process is forked.

    zygote   imports what notebooks import, once; a single thread, no student's code, ever
    warden   forked for one submission; outside its walls, watches it, and ends it
    init     process 1 of the submission's own namespace: when it ends, all in there end
    student  walled in (`grading.confine`), then runs cells and calls (`grading.child`)

Without a sandbox (`serve(..., sandbox=False)`) the walls are left out, and the rest is the same.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from grading import confine
from grading.limits import Limits

TOO_MUCH = {250: "it used more memory than it may", 251: "it started more threads than it may"}
"""Exit statuses by which a warden says why it ended a submission."""
_WATCH_SECONDS = 0.1


def serve(fileno: int, checks: str, sandbox: bool) -> None:
    """Answer the parent until it hangs up, then end every submission."""
    control = socket.socket(fileno=fileno)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from grading import child

    child.warm(checks)
    if sandbox:
        confine.seccomp_program()
    gc.collect()
    gc.freeze()
    leashes: dict[int, int] = {}  # a warden's pid -> the pipe whose end it waits for
    with contextlib.suppress(OSError):
        while True:
            data, fds, _, _ = socket.recv_fds(control, 1 << 16, 1)
            if not data:
                break
            request = json.loads(data)
            if "start" in request:
                hold, leash = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.close(leash)
                    control.close()
                    for other in leashes.values():
                        os.close(other)
                    _exit_with(_warden, hold, fds[0], request, sandbox)
                os.close(hold)
                os.close(fds[0])
                leashes[pid] = leash
                answer: dict = {"pid": pid}
            else:
                pid = request["end"]
                answer = {"how": _end(pid, leashes.pop(pid), request["gone"])}
            control.sendall(json.dumps(answer).encode() + b"\n")
    for pid, leash in leashes.items():
        _end(pid, leash, gone=False)
    os._exit(0)


def _end(warden: int, leash: int, gone: bool) -> str:
    """End a submission, and wait until all of it is gone; how it ended, if it was `gone` before."""
    until = time.monotonic() + 2
    while gone and os.waitid(os.P_PID, warden, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        gone = time.monotonic() < until  # it hung up, so it is about to end
        time.sleep(0.001)
    os.close(leash)
    code = os.waitstatus_to_exitcode(os.waitpid(warden, 0)[1])
    if not gone:
        return ""
    if code in TOO_MUCH:
        return TOO_MUCH[code]
    return f"signal {signal.Signals(code - 128).name}" if code > 128 else f"exit code {code}"


def _exit_with(function: Callable[..., int], *args: object) -> None:
    """Run something in a forked process, which must never return."""
    status = 1
    try:
        status = function(*args)
    finally:
        os._exit(status)


def _warden(hold: int, channel: int, request: dict, sandbox: bool) -> int:
    """Start the submission, and stay until it ends or goes too far, or the zygote lets go."""
    limits = Limits(**request["start"])
    if sandbox:
        try:
            confine.new_namespaces()
        except OSError as error:
            return _refuse(channel, error)
    ended, alive = os.pipe()  # only process 1 holds the other end
    init = os.fork()
    if init == 0:
        os.close(hold)
        _exit_with(_init, channel, limits, request, sandbox)
    os.close(channel)
    os.close(alive)
    excess = 0
    while ended not in (ready := select.select([ended, hold], [], [], _WATCH_SECONDS)[0]):
        excess = _excess(init, limits)
        if ready or excess:
            with contextlib.suppress(ProcessLookupError):
                # the end of process 1 ends its namespace; without one, there is its group
                os.kill(init, signal.SIGKILL) if sandbox else os.killpg(init, signal.SIGKILL)
            break
    code = os.waitstatus_to_exitcode(os.waitpid(init, 0)[1])
    return excess or (128 - code if code < 0 else code)


def _excess(init: int, limits: Limits) -> int:
    """A status of `TOO_MUCH` if the submission's processes use more than they may; else 0."""
    for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        try:
            with open(f"/proc/{pid}/status") as file:
                status = dict(line.split(":", 1) for line in file)
        except (OSError, ValueError):
            continue  # it ended
        if int(status["PPid"]) == init:
            if int(status["Threads"]) > limits.threads:
                return 251
            if int(status.get("RssAnon", "0 kB").split()[0]) << 10 > limits.memory_bytes + _WARM:
                return 250
    return 0


_WARM = 1 << 30
"""Memory that the libraries take, at most."""


def _init(channel: int, limits: Limits, request: dict, sandbox: bool) -> int:
    """Process 1: builds the walls, starts the student's process, and ends when that does."""
    os.setsid()
    used = confine.address_space()
    confine.die_with_parent()
    if sandbox:
        try:
            confine.new_files(limits)
        except OSError as error:
            return _refuse(channel, error)
    pid = os.fork()
    if pid == 0:
        _exit_with(_student, channel, limits, used, request, sandbox)
    os.close(channel)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def _student(channel: int, limits: Limits, used: int, request: dict, sandbox: bool) -> int:
    null = os.open(os.devnull, os.O_RDWR)
    for fileno in (0, 1, 2):
        os.dup2(null, fileno)
    sock = socket.socket(fileno=os.dup2(channel, 3))
    os.closerange(4, 1 << 12)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from grading import child

    try:
        os.chdir(confine.SCRATCH if sandbox else request["folder"])
        confine.limit_resources(limits, used)
        if sandbox:
            confine.lock()
    except OSError as error:
        return _refuse(3, error)
    sock.sendall(_hello(""))
    child.run(sock, limits, request["seed"])
    return 0


def _refuse(channel: int, error: OSError) -> int:
    """Tell the parent that the kernel would not build a wall."""
    os.write(channel, _hello(str(error)))
    return 1


def _hello(trouble: str) -> bytes:
    """The first line on the channel, from before any student's code: what went wrong, if anything."""
    return json.dumps({"trouble": trouble}).encode() + b"\n"
