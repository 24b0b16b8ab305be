"""What runs in the child: the student's cells, then calls of the student's functions.

Each request is answered by one frame of plain data. Nothing here is trusted by the parent.
"""

import builtins
import contextlib
import importlib
import io
import os
import random
import socket
import sys
from typing import Any

import numpy as np
import torch
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import dgm_lib
from dgm_lib.checks.call import CallFailed, LocalCaller
from grading.channel import Broken, Channel, encode, unpack
from grading.limits import Limits

_NOTES, _NOTE = 20, 1000
# torch._dynamo: torch.func.jacrev imports it on its first call, and takes seconds
_WARM = (
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "sklearn.datasets",
    "torch._dynamo",
)
_CUT = "\n… the rest of the output was cut …\n"
_MIME = ("text/plain", "image/png", "image/jpeg")


def warm(checks: str) -> None:
    """Import what notebooks of a unit import, before the first fork; start no thread."""
    torch.set_num_threads(1)
    for name in filter(None, (*_WARM, checks)):
        importlib.import_module(name)
    for name in dgm_lib.__all__:
        getattr(dgm_lib, name)
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()  # fonts are found, and the first letters drawn
    axes.set_title("warm $x^2$")
    figure.savefig(io.BytesIO())
    pyplot.close(figure)
    _shell().run_cell("pass", silent=True)


def run(sock: socket.socket, limits: Limits, seed: int) -> None:
    """Answer requests until the parent hangs up."""
    os.environ.update(dict.fromkeys(("HOME", "IPYTHONDIR", "MPLCONFIGDIR"), os.getcwd()))
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the global state that notebooks use)
    torch.manual_seed(seed)
    channel = Channel(sock, limits.message_bytes)
    outputs = Outputs(limits.output_bytes)
    shell = _shell()
    shell.outputs = outputs
    while True:
        request, blobs = channel.receive()
        if "cell" in request:
            header, arrays = _cell(shell, outputs, request["cell"]), []
        else:
            header, arrays = _call(shell, request, bytes(blobs[0]))
        channel.send({**header, "token": request["token"]}, arrays)


def _cell(shell: "Shell", outputs: "Outputs", source: str) -> dict:
    """Run one cell; a fault of the student's is an output like any other."""
    stdout, stderr = _Stream(outputs, "stdout"), _Stream(outputs, "stderr")
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            result = shell.run_cell(source, store_history=True)
            error = result.error_before_exec or result.error_in_exec
        except BaseException as raised:
            error = raised
    return {"outputs": outputs.take(), "error": _say(error) if error is not None else ""}


def _call(shell: "Shell", request: dict, arguments: bytes) -> tuple[dict, list[bytes]]:
    """Call a function of the notebook with trusted arguments."""
    function = shell.user_ns.get(request["function"])
    if not callable(function):
        return {"failed": "missing", "message": ""}, []
    caller = LocalCaller(function)
    header: dict[str, Any]
    blobs: list[bytes] = []
    try:
        args, kwargs = unpack(arguments)
        with contextlib.redirect_stdout(io.StringIO()):
            result = getattr(caller, request["kind"])(*args, **kwargs)
        tree, blobs = encode(result)
        header = {"result": tree}
    except CallFailed as failure:
        header = {"failed": failure.kind, "message": failure.message}
    except Broken as broken:
        header = {"failed": "not plain", "message": f"its result cannot be used: {broken}"}
    except BaseException as error:  # sys.exit() and the like
        header = {"failed": "error", "message": _say(error)}
    header["notes"] = [str(note)[:_NOTE] for note in caller.notes[:_NOTES]]
    return header, blobs


def _say(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno} of the cell)"[:400]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text[:400]


class Outputs:
    """A cell's outputs in order, as nbformat has them, up to a number of bytes for all cells."""

    def __init__(self, cap: int):
        self.left = cap
        self.items: list[dict] = []
        self._text: list[str] = []

    def take(self) -> list[dict]:
        """The outputs since the last time."""
        self._join()
        items, self.items = self.items, []
        return items

    def add(self, output: dict, size: int) -> None:
        self._join()
        if self.left <= 0:
            return
        if size > self.left:
            output = {"output_type": "stream", "name": "stdout", "text": _CUT}
        self.left -= size
        self.items.append(output)

    def write(self, name: str, text: str) -> None:
        """Add to a stream, which is one output as long as nothing comes between."""
        if not text:
            return
        if not (self._text and self.items[-1]["name"] == name):
            self._join()
            self.items.append({"output_type": "stream", "name": name, "text": ""})
        self._text.append(text if len(text) <= self.left else text[: self.left] + _CUT)
        self.left -= len(text)

    def data(self, kind: str, data: dict, **more: Any) -> None:
        kept = {mime: data[mime] for mime in _MIME if isinstance(data.get(mime), str)}
        if kept:
            size = sum(map(len, kept.values()))
            self.add({"output_type": kind, "data": kept, "metadata": {}, **more}, size)

    def _join(self) -> None:
        if self._text:
            self.items[-1]["text"] = "".join(self._text)
            self._text = []


class _Stream(io.TextIOBase):
    def __init__(self, outputs: Outputs, name: str):
        self.outputs = outputs
        self.name = name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.outputs.left > 0:
            self.outputs.write(self.name, text)
        return len(text)


class _Hook(DisplayHook):
    """The value of a cell's last line becomes an output."""

    def write_output_prompt(self) -> None: ...

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        count = self.shell.execution_count
        self.shell.outputs.data("execute_result", format_dict, execution_count=count)

    def finish_displayhook(self) -> None:
        self._is_active = False


class _Publisher(DisplayPublisher):
    """What `display` shows becomes an output."""

    def publish(self, data: dict, *args: Any, **kwargs: Any) -> None:
        self.shell.outputs.data("display_data", data)

    def clear_output(self, wait: bool = False) -> None: ...


class Shell(InteractiveShell):
    """IPython without a terminal, a history or a kernel."""

    outputs: Outputs

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        output = {
            "output_type": "error",
            "ename": getattr(etype, "__name__", str(etype)),
            "evalue": str(evalue)[:2000],
            "traceback": [str(line)[:4000] for line in stb[-50:]],
        }
        self.outputs.add(output, sum(map(len, output["traceback"])))


def _shell() -> Shell:
    """The one shell of this process; made before the fork, it costs each child nothing."""
    if Shell.initialized():
        return Shell.instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Plain"
    Shell.displayhook_class, Shell.display_pub_class = _Hook, _Publisher
    shell = Shell.instance(config=config)
    shell.outputs = Outputs(0)
    builtins.input = _no_input
    sys.modules["__main__"] = shell.user_module
    from matplotlib_inline.backend_inline import configure_inline_support
    from matplotlib_inline.config import InlineBackend

    InlineBackend.instance(parent=shell)
    configure_inline_support(shell, "module://matplotlib_inline.backend_inline")
    return shell


def _no_input(prompt: str = "") -> str:
    raise RuntimeError("input() has nobody to ask while a notebook is graded")
