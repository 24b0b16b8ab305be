"""Pages as a person sees them: Chromium, a JupyterLab of one's own, and no complaint in the console.

Screenshots go to build/screenshots.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "screenshots"
PATIENCE = 60_000
"""Milliseconds that a busy machine may take for one step; on an idle one, none takes a tenth."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and "CI" not in os.environ:
        pytest.skip("there is no chromium on PATH: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if root else []
        )
        yield browser
        browser.close()


@dataclass
class Window:
    """A browser window, and what its console and its dialogs said."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("console", lambda said: self._heard(said.type, said.text, said.location))
        page.on("dialog", self._dismiss)

    def _heard(self, kind: str, text: str, place: dict) -> None:
        if kind == "error":
            self.complaints.append(f"{text} ({place.get('url', '')})")

    def _dismiss(self, dialog) -> None:
        if dialog.type != "beforeunload":
            self.dialogs.append(dialog.message)
        dialog.accept()

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")


@pytest.fixture
def window(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Window]:
    """A fresh window; at the end, neither its console nor a dialog may have said anything."""
    context = chromium.new_context(viewport={"width": 1300, "height": 950}, color_scheme="light")
    found = Window(context.new_page())
    context.route(lambda url: not url.startswith(_NEAR), lambda route: route.abort())
    context.on("page", found.listen)
    found.listen(found.page)
    yield found
    found.shot(f"{request.node.name}-end")
    context.close()
    assert found.complaints == []
    assert found.dialogs == []


_NEAR = ("http://127.0.0.1:", "file:", "data:", "blob:", "about:")
"""Nothing is fetched from afar: a page that wishes to complains in its console."""


def recipe(target: str, folder: Path) -> str:
    """The command by which `make target` starts a program in a folder that is laid out like the root."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(sys.prefix)
    quiet = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", "--no-print-directory", "-n", target]
    said = subprocess.run(
        command, cwd=folder, env=quiet, check=True, capture_output=True, text=True
    )
    return said.stdout.splitlines()[-1]


@contextlib.contextmanager
def server(command: str | list[str], folder: Path, **variables: str) -> Iterator[str]:
    """The address of a JupyterLab that `command` starts in `folder`, with a home of its own.

    The command is a line for the shell, or a Python module and its arguments. Kernels talk over
    files, so that no other port is taken.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="lab") as home:  # short: names of sockets have a limit
        place = {
            "HOME": home,
            "JUPYTER_CONFIG_DIR": f"{home}/config",
            "JUPYTER_DATA_DIR": f"{home}/data",
            "JUPYTER_RUNTIME_DIR": f"{home}/run",
            "IPYTHONDIR": f"{home}/ipython",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "OMP_NUM_THREADS": "1",
        }
        log = Path(home) / "log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [
                    *(
                        ("sh", "-c", f'exec env {command} "$@"', "sh")
                        if isinstance(command, str)
                        else (sys.executable, "-P", "-m", *command, "--allow-root")
                    ),
                    "--no-browser",
                    *(f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
                    *("--IdentityProvider.token=", "--KernelManager.transport=ipc"),
                ],
                cwd=folder,
                env={**os.environ, **place, **variables},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(lambda: process.poll() is not None or _answers(address))
            if process.poll() is not None:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")
            yield address
        finally:
            process.terminate()  # it ends its kernels
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
