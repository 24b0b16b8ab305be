"""The sandbox tried from inside: one finding per wall."""

from collections.abc import Iterator

from dgm_lib.checks.call import CallFailed
from grading import sandbox, zygote
from grading.caller import Cell, RemoteCaller, Session
from grading.course import ROOT
from grading.limits import Limits
from grading.sandbox import Finding

_PROBES = {
    "libraries work": (
        "import torch, matplotlib.pyplot as plt\nplt.subplots()\nout = float(torch.ones(3).sum())",
        3.0,
    ),
    "the course's files are out of sight": (
        "import os\nout = [p for p in {hidden} if os.path.exists(p)]",
        [],
    ),
    "files can be written in a scratch folder only": (
        "import os\nout = []\nfor folder in ('/', '/usr', '/dev', '/proc', '/course', '/home'):\n"
        "    try:\n        open(os.path.join(folder, 'probe'), 'w')\n        out.append(folder)\n"
        "    except OSError:\n        pass\nopen('probe', 'w').close()",
        [],
    ),
    "other processes are out of sight": ("import os\nout = os.listdir('/proc')", []),
    "no other program starts": (
        "import os\nout = []\nfor start in (os.fork, lambda: os.execv('/bin/true', ['true'])):\n"
        "    try:\n        start()\n        out.append('started')\n"
        "    except OSError:\n        pass",
        [],
    ),
    "no network": (
        "import socket\nout = []\nfor family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):\n"
        "    try:\n        socket.socket(family)\n        out.append(family.name)\n"
        "    except OSError:\n        pass",
        [],
    ),
    "memory is limited": (
        "out = 'taken'\ntry:\n    bytearray({memory})\nexcept MemoryError:\n    out = 'refused'",
        "refused",
    ),
    "files are limited": (
        "out = 'written'\ntry:\n    with open('big', 'wb') as file:\n"
        "        for _ in range(65):\n            file.write(bytes({scratch} // 64))\n"
        "except OSError:\n    out = 'refused'",
        "refused",
    ),
}


def findings() -> Iterator[Finding]:
    """Whether this machine can make the sandbox; after something that is missing, nothing more."""
    for finding in sandbox.ingredients():
        yield finding
        if not finding.ok:
            return
    yield (finding := sandbox.namespaces())
    if finding.ok:
        yield from _walls()


def _walls() -> Iterator[Finding]:
    limits = Limits()
    values = {
        "hidden": [str(ROOT / "solutions"), str(ROOT / "grading"), str(ROOT / "dgm_lib")],
        "memory": 2 * limits.memory_bytes,
        "scratch": limits.scratch_bytes,
    }
    try:
        for name, (source, wanted) in _PROBES.items():
            for key, value in values.items():
                source = source.replace("{" + key + "}", str(value))
            cell = Cell("probe", f"{source}\ndef probe():\n    return out")
            with Session([cell], limits, seed=0) as session:
                try:
                    got = RemoteCaller(session, "probe", cell)()
                except CallFailed as failure:
                    got = str(failure)
            yield Finding(name, got == wanted, "yes" if got == wanted else f"no: {got}")
    except (sandbox.Unavailable, OSError) as error:
        yield Finding("the sandbox starts", False, str(error))
    finally:
        zygote.close_shared()
