"""A function in another process answers as one in this process does, and fails as kindly."""

import os
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from dgm_lib.checks.call import CallFailed, LocalCaller
from dgm_lib.nn import MLP
from grading.caller import Cell, RemoteCaller, Session
from grading.confine import SCRATCH
from tests.grading.conftest import LIMITS


def square(x, scale=1.0):
    return scale * (x**2).sum(-1), {"n": len(x)}


SQUARE = "def f(x, scale=1.0):\n    return scale * (x**2).sum(-1), {'n': len(x)}"


def test_a_call_gives_what_it_gives_here(remote):
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    came, want = remote(SQUARE)(x, scale=3.0), LocalCaller(square)(x, scale=3.0)
    assert torch.equal(came[0], want[0])
    assert came[1] == want[1]


def test_a_gradient_is_what_it_is_here(remote):
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    (came,) = remote(SQUARE).gradient(x, wrt=[0], output=0, scale=3.0)
    (want,) = LocalCaller(square).gradient(x, wrt=[0], output=0, scale=3.0)
    assert torch.equal(came, want)
    assert torch.allclose(came, 6 * x)


def test_networks_travel_and_keep_their_weights(remote):
    network = nn.Sequential(MLP((2, 4, 3), seed=1), nn.Tanh())
    x = torch.ones(5, 2)
    assert torch.allclose(
        remote("def f(network, x):\n    return network(x)")(network, x), network(x)
    )


def test_strides_of_arguments_arrive(remote):
    x = torch.arange(6.0).reshape(2, 3).T
    assert remote("def f(x):\n    return list(x.stride())")(x) == list(x.stride())


@pytest.mark.parametrize(
    ("source", "kind", "says"),
    [
        ("def f(x):\n    raise NotImplementedError('write me')", "not written", "write me"),
        ("def f(x):\n    return x + y", "error", "NameError: name 'y' is not defined"),
        ("def f(x):\n    import sys\n    sys.exit(0)", "error", "SystemExit"),
        ("def f(x):\n    return object()", "not plain", "object"),
        ("def f(x):\n    return x.to_sparse()", "error", "Sparse"),
        ("def f(x):\n    return f(x)", "error", "RecursionError"),
        ("def f(x) return x", "error", "SyntaxError: expected ':' (line 1 of the cell)"),
        ("f = 1 / 0", "error", "its cell stops with ZeroDivisionError"),
        ("def g(x):\n    return x", "error", "defines no function `f`"),
        ("def f(x):\n    import os\n    os._exit(3)", "died", "exit code 3"),
        ("def f(x):\n    import os\n    os.kill(os.getpid(), 11)", "died", "SIGSEGV"),
        ("import os\nos._exit(0)", "died", "in the cell of `f`"),
        ("def f(x):\n    import torch\n    return torch.ones(1 << 33)", "error", "alloc"),
        ("def f(x):\n    return input('?')", "error", "input() has nobody to ask"),
    ],
)
def test_failures_are_told_apart(remote, source, kind, says):
    call = remote(source)
    with pytest.raises(CallFailed) as failure:
        call(torch.ones(2))
    assert failure.value.kind == kind
    assert says in str(failure.value)


def test_a_cut_gradient_is_an_error_with_a_hint(remote):
    with pytest.raises(CallFailed, match="detach") as failure:
        remote("def f(x):\n    return x.detach()").gradient(torch.ones(2), wrt=[0])
    assert failure.value.kind == "error"


@pytest.mark.parametrize("swallow", ["BaseException", "ValueError"])
def test_an_endless_loop_is_killed_in_time(remote, swallow):
    source = (
        "def f(x):\n    while True:\n        try:\n            while True: pass\n"
        f"        except {swallow}: pass"
    )
    call = remote(source)
    call.session.prepare()
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(CallFailed, match="more than 2 seconds") as failure:
            call(torch.ones(2))
        assert failure.value.kind == "timeout"
    assert time.monotonic() - started < 30
    assert submissions(call) == []
    started = time.monotonic()
    with pytest.raises(CallFailed):  # twice is enough: the third call is not tried
        call(torch.ones(2))
    assert time.monotonic() - started < 0.5


def test_one_function_s_fault_costs_that_function_only(remote):
    cells = [
        Cell("a", "state = []\nprint('first')"),
        Cell("f", "import os\ndef f(x):\n    os._exit(1)"),
        Cell("bad", "while True: pass"),
        Cell("g", "def g(x):\n    state.append(x)\n    return len(state)"),
    ]
    with Session(cells, LIMITS, seed=1, checks="fake_checks") as session:
        f, g = RemoteCaller(session, "f", cells[1]), RemoteCaller(session, "g", cells[3])
        assert g(0) == 1
        assert g(0) == 2
        with pytest.raises(CallFailed):
            f(0)
        assert g(0) == 1  # a fresh child, in which the cells have run again
    assert [cell.state for cell in cells] == ["ok", "ok", "timeout", "ok"]
    assert cells[0].outputs == [{"output_type": "stream", "name": "stdout", "text": "first\n"}]


def test_stderr_and_warnings_become_notes(remote):
    call = remote(
        "import sys, warnings\ndef f(x):\n    warnings.warn('slow')\n"
        "    print('hm', file=sys.stderr)\n    print('not this')\n    return x"
    )
    assert torch.equal(call(torch.ones(2)), torch.ones(2))
    assert call.notes == ["UserWarning: slow", "hm"]


def test_a_lost_zygote_is_replaced_and_knows_nothing_of_us(remote, monkeypatch):
    monkeypatch.setenv("A_SECRET", "canary")
    call = remote("import os\ndef f():\n    return sorted(os.environ), os.getcwd()")
    assert call()[1] == SCRATCH
    call.session.zygote.process.kill()
    call.session.zygote.process.wait()
    call.session.stop()
    names, folder = call()
    assert "A_SECRET" not in names
    assert folder == SCRATCH


def test_the_zygote_keeps_to_one_thread(remote):
    """Forking is safe only from a single thread."""
    call = remote("def f():\n    return 1")
    assert call() == 1
    for pid in family(call.session.zygote.process.pid)[:3]:
        assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_random_numbers_start_from_the_seed_in_every_child(remote):
    source = "import random, numpy, torch\ndef f():\n    return random.random(), numpy.random.rand(), torch.rand(2)"
    first, again = remote(source)(), remote(source)()
    assert first[:2] == again[:2]
    assert torch.equal(first[2], again[2])


def test_nothing_is_left_running_or_lying_about(remote):
    source = (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(100,)).start()\n"
        "def f():\n    import os\n    found = os.listdir()\n    open('x', 'w').write('x')\n    return found"
    )
    call = remote(source)
    assert call() == []
    assert call() == ["x"]
    assert len(submissions(call)) == 3  # a warden, process 1 of its namespace, and the student's
    call.session.stop()
    assert submissions(call) == []
    assert call() == []


def submissions(call: RemoteCaller) -> list[int]:
    """The processes beneath the zygote, which runs in bubblewrap (two processes)."""
    return family(call.session.zygote.process.pid)[3:]


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(p for child in found for p in family(int(child)))]
