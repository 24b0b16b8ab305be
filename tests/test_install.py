"""First contact: install.py and the Makefile's rules for .venv, in a tiny course, without a network.

pip and venv are the real ones; the tiny course has a build backend of its own and needs no package,
so that nothing is downloaded.
"""

import ast
import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = (ROOT / "install.py").read_text()
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1"
requires-python = ">=3.11,<3.15"
"""
BACKEND = """
import os, re, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    time.sleep(float(os.environ.get("TINY_SECONDS", 0)))
    needs = re.findall(r"(?m)^# needs (.+)$", open("pyproject.toml").read())
    metadata = "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n"
    metadata += "".join(f"Requires-Dist: {need}\\n" for need in needs)
    metadata += "".join(f"Provides-Extra: {e}\\n" for e in "grading cluster test bench site".split())
    files = {"tiny.py": "", "tiny-1.dist-info/METADATA": metadata}
    files["tiny-1.dist-info/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files["tiny-1.dist-info/RECORD"] = "".join(f"{name},,\\n" for name in files)
    with zipfile.ZipFile(os.path.join(folder, "tiny-1-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "tiny-1-py3-none-any.whl"
"""


def tiny_course(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("install.py", "Makefile"):
        shutil.copy(ROOT / name, folder)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "constraints.txt").write_text("")
    (folder / "backend.py").write_text(BACKEND)
    return folder


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "MAKE", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", **more}


def make(course: Path, target: str = "ready", *, PYTHON: str = sys.executable, **more: str):
    """What make says, both streams together, and its exit status."""
    done = subprocess.run(
        ["make", f".venv/{target}", f"PYTHON={PYTHON}"],
        cwd=course,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout, done.returncode


def load(course: Path) -> ModuleType:
    """install.py of this course, as a module."""
    spec = importlib.util.spec_from_file_location("install", course / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose .venv was made, in a folder with a space and an accent in its name."""
    course = tiny_course(tmp_path_factory.mktemp("first") / "my cours é")
    said, code = make(course)
    assert code == 0, said
    assert "Making .venv with Python 3." in said
    assert ".venv is ready, after" in said
    return course


@pytest.fixture
def install(course: Path) -> ModuleType:
    return load(course)


def change(file: Path, more: str = "\n") -> None:
    """Make the file younger than every stamp."""
    file.write_text(file.read_text() + more)
    for stamp in ("ready", "site", "bench"):
        if (path := file.parent / ".venv" / stamp).exists():
            os.utime(path, (time.time() - 60, time.time() - 60))


@pytest.fixture
def changed(course: Path):
    """The course, after its pyproject.toml was changed; made good again afterwards."""
    file = course / "pyproject.toml"
    change(file)
    yield file
    file.write_text(PYPROJECT)


# What is made


def test_makes_it_once(course):
    said, code = make(course)
    assert code == 0
    assert "is up to date" in said
    assert (course / ".venv" / "ready").read_text() == f"{course.resolve()}\n"
    assert not (course / ".venv" / "tmp").exists()
    inside = [course / ".venv" / "bin" / "python", "-c", "import tiny; print('here')"]
    assert subprocess.check_output(inside, cwd="/", text=True) == "here\n"


def test_a_change_updates_in_place(course, changed):
    marker = course / ".venv" / "marker"
    marker.touch()
    said, code = make(course)
    assert code == 0
    assert "Bringing .venv up to date" in said
    assert marker.exists()


def test_extras_stay_in_step(course, changed):
    ready, site, bench = (course / ".venv" / name for name in ("ready", "site", "bench"))
    assert make(course, "site")[1] == 0
    assert site.exists()
    assert not bench.exists()
    change(changed)
    assert make(course)[1] == 0
    assert site.stat().st_mtime_ns >= ready.stat().st_mtime_ns
    assert "is up to date" in make(course, "site")[0]
    assert not bench.exists()


def test_two_at_once_take_turns(course, changed):
    command = [sys.executable, "install.py", "ready"]
    pipes = {"stdout": subprocess.PIPE, "text": True, "cwd": course, "env": environment()}
    with open(course / "pyproject.toml") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = subprocess.Popen(command, **pipes)
        assert "Another make is busy with .venv; waiting" in waiting.stdout.readline()
    assert ".venv is ready" in waiting.communicate(timeout=120)[0]


# What is not whole is made anew


def test_a_venv_that_works_is_left_alone(install):
    assert install.what_is_wrong() is None


def test_a_python_that_is_gone(course, install):
    python = course / ".venv" / "bin" / "python"
    target = os.readlink(python)
    python.unlink()
    try:
        assert install.what_is_wrong() == "has lost its Python"
        python.symlink_to("/nowhere/python3.11")
        assert install.what_is_wrong() == "has lost its Python"
        asked = ["make", "-n", ".venv/ready"]
        told = subprocess.check_output(asked, cwd=course, env=environment(), text=True)
        assert "install.py ready" in told.replace('"', "")
    finally:
        python.unlink(missing_ok=True)
        python.symlink_to(target)


@pytest.mark.parametrize("left", ["~tiny", "half-1.dist-info"])
def test_a_package_left_half_made(course, install, left):
    packages = next((course / ".venv" / "lib").glob("python3.*/site-packages"))
    (packages / left).mkdir()
    try:
        assert install.what_is_wrong() == "was left half made"
    finally:
        (packages / left).rmdir()


def test_a_python_of_the_wrong_version(install, monkeypatch):
    monkeypatch.setattr(install, "supported", lambda: (98, 99))
    assert install.what_is_wrong() == f"has Python 3.{sys.version_info[1]}"


def test_a_folder_that_moved(course, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(course, moved, symlinks=True)
    (moved / ".venv" / "marker").touch()
    said, code = make(moved)
    assert code == 0, said
    assert "The .venv here was made in another folder: making it anew" in said
    assert not (moved / ".venv" / "marker").exists()
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()
    assert "is up to date" in make(moved)[0]


def test_an_activated_venv_is_made_anew_by_the_python_below_it(tmp_path):
    course = tiny_course(tmp_path / "course")
    assert make(course)[1] == 0
    packages = next((course / ".venv" / "lib").glob("python3.*/site-packages"))
    (packages / "~tiny").mkdir()
    change(course / "constraints.txt")
    said, code = make(course, PYTHON=str(course / ".venv" / "bin" / "python"))
    assert code == 0, said
    assert "The .venv here was left half made: making it anew" in said
    assert not (packages / "~tiny").exists()


def until(true: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < 120
        time.sleep(0.02)


def test_killed_twice_and_made_whole(tmp_path):
    """The first time while pip itself is being installed, the second while pip is at work."""
    course = tiny_course(tmp_path / "course")
    venv = course / ".venv"

    def start(**more: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["make", ".venv/ready", f"PYTHON={sys.executable}"],
            cwd=course,
            env=environment(**more),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    first = start()
    until((venv / "bin" / "python").exists)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert load(course).what_is_wrong() == "was left half made"

    second = start(TINY_SECONDS="30")
    until((venv / "tmp").exists)
    until(lambda: any((venv / "tmp").iterdir()))
    os.killpg(second.pid, signal.SIGINT)
    said = second.communicate(timeout=180)[0]
    assert "The .venv here was left half made: making it anew" in said
    assert "Stopped. Run make again: it goes on." in said
    assert "Traceback" not in said
    assert not (venv / "ready").exists()

    for _ in "finished after SIGINT", "after SIGKILL, which leaves the folder":
        said, code = make(course)
        assert code == 0, said
        assert "Bringing .venv up to date" in said
        (venv / "tmp").mkdir()


# What can go wrong


def test_no_network(course, changed):
    change(changed, "# needs absent-package==1\n")
    index = "http://127.0.0.1:9/simple"
    said, code = make(
        course, PIP_NO_INDEX="0", PIP_INDEX_URL=index, PIP_RETRIES="1", PIP_TIMEOUT="2"
    )
    assert code
    assert "pip cannot reach its package index: there is no network" in said
    assert "run make again: it goes on" in said
    assert "is up to date" not in make(course)[0]


def test_no_wheel(course, changed, tmp_path):
    change(changed, "# needs absent-package==1\n")
    said, code = make(course, PIP_FIND_LINKS=str(tmp_path))
    assert code
    assert "pip finds no absent-package==1 for Python 3." in said
    assert "Try another Python, 3.11 to 3.14: export PYTHON=" in said


def in_small_disk(size: int, at: Path, command: list[str | Path]) -> list[str | Path]:
    """The command, run where a new disk of this many bytes lies at the place given."""
    if not shutil.which("bwrap") and "CI" not in os.environ:
        pytest.skip("there is no bubblewrap: apt-get install bubblewrap")
    return ["bwrap", "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", str(at), *command]


def test_too_little_disk_to_begin_with(tmp_path):
    course = tiny_course(tmp_path / "course")
    small = tmp_path / "small"
    small.mkdir()
    script = 'cp -r "$1/." "$2" && make -C "$2" .venv/ready PYTHON="$3"'
    shell = ["sh", "-c", script, "sh", course, small, sys.executable]
    done = subprocess.run(
        in_small_disk(10_000_000, small, shell), env=environment(), capture_output=True, text=True
    )
    assert done.returncode
    assert "Making .venv needs 2.5 GB of disk, and 0.0 GB are free in" in done.stderr
    assert "Make room, then run make again." in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="there is no CUDA")
def test_says_so_when_cuda_may_not_fit(install, capsys):
    install.check_disk(free=11)
    assert not capsys.readouterr().out
    install.check_disk(free=4.2)
    assert "Note: 4 GB of disk are free; PyTorch with CUDA" in capsys.readouterr().out


def test_a_disk_that_fills_up(course, changed):
    """pip's real words on a real disk of 4 KB: the one where it builds and unpacks."""
    scratch = course / ".venv" / "tmp"
    scratch.mkdir()
    command = ["make", "-C", course, ".venv/ready", f"PYTHON={sys.executable}"]
    done = subprocess.run(
        in_small_disk(4096, scratch, command), env=environment(), capture_output=True, text=True
    )
    scratch.rmdir()
    assert done.returncode
    assert "The disk is full:" in done.stderr
    assert "run make again: it goes on" in done.stderr


WORDS = {
    "name resolution": (
        "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) "
        "after connection broken by 'NewConnectionError('<HTTPSConnection object>: Failed to "
        "establish a new connection: [Errno -3] Temporary failure in name resolution')': /six/\n"
        "ERROR: Could not find a version that satisfies the requirement six (from versions: none)",
        "there is no network",
    ),
    "a slow moment, then no wheel": (
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeoutError(...)'\n"
        "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 "
        "(from versions: 2.15.0)",
        "pip finds no torch==2.13.0 for Python",
    ),
    "quota": ("OSError: [Errno 122] Disk quota exceeded: '/home/a/x'", "The disk is full"),
    "disk, in German": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] Auf dem Gerät ist kein "
        "Speicherplatz mehr verfügbar",
        "The disk is full",
    ),
    "another's folder": (
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/etc/x'",
        "This user may not write to /etc, which belongs to root",
    ),
    "a disk that is read only": (
        "[Errno 30] Read-only file system: '/etc/x/.venv'",
        "/etc can only be read, not written",
    ),
    "a moment's trouble, then pins": (
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeoutError(...)'\n"
        "ERROR: ResolutionImpossible: for help",
        "do not fit together",
    ),
    "a download that breaks off": (
        "pip._vendor.urllib3.exceptions.ProtocolError: ('Connection broken: IncompleteRead(10 bytes "
        "read, 90 more expected)')",
        "there is no network",
    ),
    "certificate": (
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
        "failed: unable to get local issuer certificate'))",
        "does not trust its certificate",
    ),
    "damaged": ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS", "damaged"),
    "memory": ("MemoryError", "memory ran out"),
    "pins": (
        "The user requested (constraint) soupsieve==4.1.1\nERROR: ResolutionImpossible: for help",
        "soupsieve==4.1.1",
    ),
    "no compiler": (
        "error: command 'gcc' failed\n  ERROR: Failed building wheel for psutil",
        "found no ready-made psutil for Python",
    ),
    "anything else": ("ERROR: a new kind of error", "    ERROR: a new kind of error\npip could"),
}


@pytest.mark.parametrize("case", WORDS)
def test_explains(install, case):
    said, wanted = WORDS[case]
    assert wanted in install.explain(said)


def test_killed_for_its_memory(install):
    with pytest.raises(install.Stop, match="memory ran out"):
        install.run(["sh", "-c", "kill -9 $$"])


# The wrong Python


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13), (3, 15, 0)])
def test_wrong_python(course, version):
    """The script under a Python that says it is another, through make."""
    fake = course / "python"
    script = "import runpy, sys; sys.version_info = {}; runpy.run_path('install.py', run_name='__main__')"
    fake.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c \"{script.format(version)}\"\n")
    fake.chmod(0o755)
    change(course / "constraints.txt")
    said, code = make(course, PYTHON=str(fake))
    assert code
    assert "This course runs on Python 3.11 to 3.14, and " in said
    assert " is Python {}.{}.{}.\n".format(*version) in said
    assert "export PYTHON=/path/to/python3.14, then run make again" in said


def test_finds_a_python_that_suits(course, tmp_path):
    """An older python3.11 in name only is passed over, as is one that does not run."""
    for name, body in {
        "python3.11": "#!/bin/sh\necho no such version >&2; exit 127\n",
        "python3.12": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
    }.items():
        (tmp_path / name).write_text(body)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    change(course / "constraints.txt")
    asked = ["make", "-n", ".venv/ready"]
    told = subprocess.check_output(asked, cwd=course, env=environment(PATH=path), text=True)
    assert f'"{os.path.realpath(sys.executable)}" install.py' in told or (
        f'"{sys.executable}" install.py' in told
    )


def test_no_python_at_all(course, tmp_path):
    for name in ("make", "sh", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    change(course / "constraints.txt")
    done = subprocess.run(
        ["make", ".venv/ready"],
        cwd=course,
        env=environment(PATH=str(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "There is no Python here. Install Python 3.11 to 3.14" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


@pytest.mark.parametrize("missing", ["venv", "ensurepip", "sqlite3"])
def test_a_python_with_a_part_missing(install, missing):
    def importing(name: str) -> None:
        if name == missing:
            raise ImportError(name)

    advice = "export PYTHON=" if missing == "sqlite3" else r"apt-get install python3\.\d+-venv"
    with pytest.raises(install.Stop, match=advice):
        install.check_modules(importing)


def test_old_pythons_can_read_it():
    """Nothing that Python 2.7 cannot parse, which cannot say more than SyntaxError then."""
    tree = ast.parse(SOURCE)
    assert SOURCE.isascii()
    new = (
        ast.JoinedStr,
        ast.NamedExpr,
        ast.AnnAssign,
        ast.Nonlocal,
        ast.Match,
        ast.AsyncFunctionDef,
    )
    for node in ast.walk(tree):
        assert not isinstance(node, new), ast.unparse(node)
        if isinstance(node, ast.Raise):
            assert node.cause is None
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            assert not node.returns
            assert not arguments.kwonlyargs
            assert not arguments.posonlyargs
            assert not any(a.annotation for a in arguments.args)
        if isinstance(node, ast.List | ast.Tuple):
            assert not any(isinstance(n, ast.Starred) for n in node.elts)
        if isinstance(node, ast.Call):  # f(*a, b) is new, f(a, *b) is not
            starred = [isinstance(n, ast.Starred) for n in node.args]
            assert sum(starred) <= 1
            assert not any(starred[:-1])


def test_makefile_and_project_agree(install):
    """The Pythons that make looks for are those that pyproject.toml says."""
    first, last = load(ROOT).supported()
    rule = (ROOT / "Makefile").read_text()
    for minor in range(first, last + 1):
        assert f" python3.{minor} " in rule
    assert f" python3.{last + 1} " not in rule
    assert f"Install Python 3.{first} to 3.{last} " in rule
    assert f"Python 3.{first} to 3.{last}" in (ROOT / "README.md").read_text()
