"""The walls hold, as root and as an ordinary user; and where there can be none, it is said."""

import os
import pickle
import shutil
import subprocess
import sys

import pytest
import torch

from dgm_lib.checks.call import CallFailed
from grading import confine, probe, sandbox, zygote
from grading.caller import Cell, RemoteCaller, Session
from grading.course import ROOT
from grading.limits import Limits
from grading.zygote import Zygote


def test_the_doctor_finds_every_wall_in_place():
    found = list(probe.findings())
    assert [f.name for f in found if not f.ok] == []
    assert len(found) > 10


def test_an_ordinary_user_has_the_same_walls():
    """As root we map ourselves to a user without any right; else we are one already."""
    program = (
        "import os\nfrom grading import probe\nassert os.getuid() != 0\n"
        "print(*[f'{f.name}: {f.says}' for f in probe.findings() if not f.ok], sep='\\n', end='')"
    )
    command = [sys.executable, "-c", program]
    if os.getuid() == 0:
        command = ["unshare", "--user", "--map-user=1234", "--map-group=1234", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import os; os.listdir('/proc/self/fd')", "No such file"),
        ("import os; os.kill(1, 9)", "Operation not permitted"),
        ("import subprocess; subprocess.run(['true'])", "Operation not permitted"),
        ("import os; os.fork()", "Operation not permitted"),
        ("import multiprocessing as m; m.Process(target=print).start()", "not permitted"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "Operation not permitted"),
        ("import os; os.mknod('x')", "Operation not permitted"),
        ("import os; os.symlink('/etc', 'x')", "Operation not permitted"),
        ("import os; os.memfd_create('x')", "Operation not permitted"),
        ("open('/course/dgm_lib/x.py', 'w')", "Read-only"),
        (
            "import os; os.chmod('/scratch', 0o777); os.truncate('/course/dgm_lib/nn.py', 0)",
            "Errno",
        ),
        ("open('/dev/x', 'w')", "Read-only"),
        ("import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))", "not allowed"),
        ("import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0 or 1 / 0", "ZeroDivision"),
        ("import socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1)", ""),
        ("import threading as t; x = t.Thread(target=print); x.start(); x.join()", ""),
        ("open('/dev/null', 'w').write('x'); open('/dev/urandom', 'rb').read(4)", ""),
    ],
)
def test_what_a_notebook_may_do(source, error):
    cell = Cell("f", source)
    with Session([cell], Limits(), seed=1, checks="fake_checks") as session:
        session.prepare()
    assert cell.state == ("error" if error else "ok"), cell.message
    assert error in cell.message


def test_a_refusal_is_explained(remote):
    call = remote("def f():\n    import os\n    os.fork()")
    with pytest.raises(CallFailed, match="While a notebook is graded it starts no other programs"):
        call()


def test_too_many_threads_and_too_much_memory_end_the_process(remote):
    threads = (
        "import threading, time\ndef f():\n    wait = threading.Event()\n    for _ in range(80):\n"
        "        threading.Thread(target=wait.wait, args=(1.5,)).start()\n    time.sleep(1.5)"
    )
    with pytest.raises(CallFailed, match="more threads than it may"):
        remote(threads, Limits())()
    hoard = "import torch\ndef f():\n    kept = [torch.ones(1 << 20) for _ in range(200)]\n    return len(kept)"
    assert remote(hoard, Limits())() == 200
    with pytest.raises(CallFailed):
        remote(hoard, Limits(memory_bytes=400 << 20))()


def test_files_are_limited_in_size_and_number(remote):
    write = (
        "import os\ndef f(n, size):\n    for i in range(n):\n"
        "        with open(f'{i}', 'wb') as file:\n            file.write(bytes(size))"
    )
    call = remote(write, Limits(scratch_bytes=4 << 20))
    assert call(3, 1 << 20) is None
    for n, size in ((6, 1 << 20), (1, 5 << 20), (5000, 0)):
        with pytest.raises(CallFailed, match="OSError"):
            call(n, size)


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (("grading.sandbox.sys.platform", "darwin"), "this is darwin; grade on Linux"),
        (("grading.sandbox.shutil.which", lambda _: None), "apt-get install bubblewrap"),
        (("grading.confine.landlock_version", lambda: 0), "Landlock: the kernel has none"),
    ],
)
def test_a_machine_without_a_sandbox_says_what_is_missing(monkeypatch, breaks, says):
    monkeypatch.setattr(*breaks)
    with pytest.raises(sandbox.Unavailable, match="cannot make one") as stopped:
        Zygote("fake_checks")
    assert says in str(stopped.value)
    assert "--no-sandbox" in str(stopped.value)
    assert [f for f in probe.findings() if not f.ok][-1].says in str(stopped.value)


def test_a_kernel_that_refuses_namespaces_is_quoted(monkeypatch, tmp_path):
    """Whatever bubblewrap says reaches the instructor."""
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(sandbox.Unavailable, match="No permissions to create a new namespace"):
        Zygote("fake_checks")
    assert "No permissions" in sandbox.namespaces().says


def test_a_sandbox_that_ends_before_it_begins_is_quoted(monkeypatch, tmp_path):
    """In a container bubblewrap may start, and then not be allowed to mount /proc."""
    fake, script = tmp_path / "bwrap", tmp_path / "script.py"
    script.write_text(
        "import os, sys\ninfo = int(sys.argv[sys.argv.index('--info-fd') + 1])\n"
        "os.write(info, b'{\"child-pid\": 999999999}')\nos.close(info)\n"
        'sys.exit("bwrap: Can\'t mount proc on /proc: Operation not permitted")\n'
    )
    fake.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{script}' \"$@\"\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    zygote = Zygote("fake_checks")
    with pytest.raises(sandbox.Unavailable, match="Can't mount proc") as stopped:
        zygote.start(Limits(), seed=0)
    zygote.close()
    told = str(pickle.loads(pickle.dumps(stopped.value)))
    assert told.count("this machine cannot make one") == 1


def test_without_a_sandbox_the_same_calls_are_answered():
    cell = Cell("f", "import os\ndef f(x):\n    return 2 * x, os.path.exists('/proc/self')")
    with Session([cell], Limits(), seed=1, checks="fake_checks", sandboxed=False) as session:
        doubled, seen = RemoteCaller(session, "f", cell)(torch.ones(2))
        folder = session.zygote.scratch
    assert torch.equal(doubled, 2 * torch.ones(2))
    assert seen == os.path.exists("/proc/self")
    zygote.close_shared()
    assert not folder.exists()


def test_the_filter_names_calls_that_this_processor_knows():
    program = confine.seccomp_program()
    assert len(program) % 8 == 0
    assert len(program) // 8 > 60
    assert shutil.which("bwrap")
