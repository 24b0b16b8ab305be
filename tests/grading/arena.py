"""Where submissions attack: a course, secrets, processes and listeners made for that alone."""

import contextlib
import ctypes
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dgm_lib import checks
from grading import driver, zygote
from grading.course import ROOT
from grading.limits import Limits
from grading.verdict import Verdict
from tests.grading.attacks import FAKE, REAL, Attack
from tests.grading.conftest import HERE, RIGHT, make_course, write_notebook

LIMITS = Limits(call_seconds=2, cell_seconds=3, total_seconds=60, timeouts=1, memory_bytes=1 << 30)
_SUBREAPER = 36


def know_the_unit() -> None:
    """Do what `tests.grading.conftest` does for pytest: make the made-up unit known, here and below."""
    checks.UNITS[FAKE] = "fake_checks"
    sys.path.insert(0, str(HERE))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])


class Listeners:
    """Servers that tell the answer to whoever asks, and remember that somebody did."""

    def __init__(self, folder: Path):
        self.met: list[str] = []
        self.unix = str(folder / "socket")
        self.abstract = f"dgm-{secrets.token_hex(8)}"
        internet, local = socket.AF_INET, socket.AF_UNIX
        self.tcp = self._serve(internet, socket.SOCK_STREAM, ("127.0.0.1", 0))[1]
        self.udp = self._serve(internet, socket.SOCK_DGRAM, ("127.0.0.1", 0))[1]
        self._serve(local, socket.SOCK_STREAM, self.unix)
        self._serve(local, socket.SOCK_STREAM, f"\0{self.abstract}")

    def _serve(self, family: int, kind: int, address: object) -> tuple:
        sock = socket.socket(family, kind)
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        answer = self._answer_stream if kind == socket.SOCK_STREAM else self._answer_packets
        threading.Thread(target=answer, args=(sock,), daemon=True).start()
        return sock.getsockname()

    def _answer_stream(self, sock: socket.socket) -> None:
        while True:
            peer, _ = sock.accept()
            self.met.append(str(sock.getsockname()))
            with peer, contextlib.suppress(OSError):
                peer.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n2" if peer.recv(1024) else b"2")
                    continue
                peer.sendall(b"2")

    def _answer_packets(self, sock: socket.socket) -> None:
        while True:
            _, peer = sock.recvfrom(1 << 16)
            self.met.append("udp")
            sock.sendto(b"2", peer)


class Arena:
    """A course whose solutions, gradebook, seed and surroundings hold canaries."""

    def __init__(self, root: Path, home: Path):
        self.course = make_course(root / "course")
        self.home, self.outside = home, root / "outside"
        self.canaries = {name: f"CANARY-{secrets.token_hex(8)}" for name in _PLACES}
        for part in ("solutions", "exercises"):
            shutil.copytree(ROOT / part / REAL, self.course.root / part / REAL)
        self.right = {
            FAKE: write_notebook(RIGHT),
            REAL: (self.course.root / "solutions" / REAL / f"{REAL}.ipynb").read_bytes(),
        }
        self.outside.mkdir(mode=0o777)
        self.listeners = Listeners(root)
        self.signals: list[int] = []
        signal.signal(signal.SIGUSR1, lambda number, _: self.signals.append(number))
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)  # who loses his parents becomes our child
        self.sentinel = self._sentinel()
        self._plant(root / "secret")
        self.target = {
            "root": str(self.course.root),
            "repository": str(ROOT),
            "home": str(home),
            "outside": str(self.outside),
            "secret": str(root / "secret"),
            "sentinel": self.sentinel.pid,
            "parent": os.getpid(),
            "tcp": self.listeners.tcp,
            "udp": self.listeners.udp,
            "unix": self.listeners.unix,
            "abstract": self.listeners.abstract,
        }

    def _sentinel(self) -> subprocess.Popen:
        """A process to be attacked."""
        environment = {**os.environ, "SENTINEL": self.canaries["sentinel"]}
        return subprocess.Popen(["sleep", "3600"], env=environment)

    def _plant(self, secret: Path) -> None:
        course, canaries = self.course, self.canaries
        secret.write_text(canaries["file"])
        (self.home / ".ssh").mkdir()
        (self.home / ".ssh" / "id_ed25519").write_text(canaries["home"])
        marked = {
            n: s.replace("SOLUTION\n", f"SOLUTION\n    # {canaries['solutions']}\n", 1)
            for n, s in RIGHT.items()
        }
        solution = course.root / "solutions" / FAKE / f"{FAKE}.ipynb"
        solution.write_bytes(write_notebook(marked))
        (course.root / "solutions" / "notes.txt").write_text(canaries["solutions"])
        other = course.submitted(FAKE, "another")
        other.mkdir(parents=True)
        marked = {n: f"{s}\n# {canaries['submission']}" for n, s in RIGHT.items()}
        (other / f"{FAKE}.ipynb").write_bytes(write_notebook(marked))
        for unit in (FAKE, REAL):
            (course.results / unit).mkdir(parents=True)
            (course.results / unit / "seed").write_text(canaries["seed"])
        with course.gradebook() as gradebook:
            gradebook.add_student("another", first_name=canaries["gradebook"])
        os.environ["DGM_SECRET"] = canaries["environment"]

    def close(self) -> None:
        self.sentinel.kill()
        self.sentinel.wait()
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_SUBREAPER, 0)
        del os.environ["DGM_SECRET"]

    def grade(self, attack: Attack) -> tuple[Verdict, dict[str, str]]:
        """The verdict, and every text that comes of it, by the name of its file."""
        unit, student = attack.unit, attack.name
        attack.hand_in(self.course.submitted(unit, student), self.right[unit], self.target)
        with ThreadPoolExecutor(1) as pool:
            options = {"pool": pool, "progress": False}
            verdicts = driver.autograde(self.course, [unit], [student], limits=LIMITS, **options)
            if attack.never or not attack.is_cell:
                driver.feedback(self.course, verdicts, **options)
        assert verdicts.attention == {}
        kept = json.loads((self.course.results / unit / f"{student}.json").read_text())["verdict"]
        kept = json.loads(kept)
        del kept["seed"]  # its place is on the disk, beside the gradebook
        (verdict,) = verdicts.values()
        texts = {"verdict": json.dumps(kept, ensure_ascii=False)}
        texts["report"] = "\n".join(map(str, verdict.reports.values()))
        for folder in ("autograded", "feedback"):
            for path in (self.course.folder / folder / student).rglob("*"):
                if path.is_file():
                    texts[f"{folder}/{path.name}"] = path.read_text(errors="replace")
        return verdict, texts

    def warm(self, unit: str) -> None:
        """Have the zygote of a unit, which stays when submissions have gone."""
        warm = zygote.shared(checks.UNITS[unit])
        warm.end(warm.start(LIMITS, seed=0))

    def points_in_gradebook(self, attack: Attack) -> dict[str, float]:
        with self.course.gradebook() as gradebook:
            book = gradebook.find_submission_notebook(attack.unit, attack.unit, attack.name)
            return {grade.name.removeprefix("check_"): grade.score for grade in book.grades}

    def harm(self) -> list[str]:
        """What reached the outside world since the last time."""
        left = [*self.outside.iterdir(), *self.course.root.glob("attacked")]
        found = [f"left behind: {path}" for path in left]
        found += [f"asked for the answer: {name}" for name in self.listeners.met]
        found += ["the grader was signalled"] if self.signals else []
        if self.sentinel.poll() is not None:
            found.append("the sentinel died")
            self.sentinel = self._sentinel()
            self.target["sentinel"] = self.sentinel.pid
        for path in left:
            path.unlink()
        self.listeners.met.clear()
        self.signals.clear()
        return found


_PLACES = (
    *("file", "home", "solutions", "submission", "seed", "gradebook", "environment", "sentinel"),
)


def descendants() -> list[int]:
    """The processes that come from this one, dead ones without a grave aside."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    found, new = set(), {os.getpid()}
    while new:
        found |= new
        new = {pid for pid, parent in parents.items() if parent in found} - found
    return sorted(found - {os.getpid()})


def commands() -> Counter:
    """The command lines of all descendants; a new zygote's differs in its descriptors only."""
    found = Counter()
    for pid in descendants():
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            found[re.sub(r"\d+|/\S*", "…", line)] += 1
    return found


def left_running(before: Counter, seconds: float = 5.0) -> Counter:
    """What runs now and did not before; waits a little for what is dying."""
    until = time.monotonic() + seconds
    while (more := commands() - before) and time.monotonic() < until:
        time.sleep(0.02)
    return more
