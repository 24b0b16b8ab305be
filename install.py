"""Make .venv, or bring it up to date: `python3 install.py [ready|bench|site]`. make calls this.

A .venv that works is updated in place. One that was moved, copied, or left half made is made anew;
pip keeps what it has downloaded, so nothing is fetched twice. Whatever goes wrong, a sentence says
what to do, and running make again goes on.

Even Python 2 must read this file far enough to say that it is too old: no f-strings, no annotations.
"""

from __future__ import print_function

import contextlib
import fcntl
import glob
import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.realpath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
SCRATCH = os.path.join(VENV, "tmp")
EXTRAS = {"ready": "grading,cluster,test", "bench": "bench", "site": "site"}
CPU_GB, CUDA_GB = 2.5, 10
"""Free disk for a whole install, downloads included: with PyTorch for the CPU, and with CUDA."""

NO_WHEEL = """pip finds no {what} for Python {version} on {machine}.
Try another Python, {range}: {another}.
A system for which PyTorch makes no packages (an Intel Mac, Alpine Linux, 32 bits) needs another
machine, or conda."""
TROUBLES = {
    r"Errno 28\b|Errno 122\b|No space left on device|Disk quota exceeded": """The disk is full: \
{free:.1f} GB are free in this folder, {home:.1f} GB in the home folder.
Make room for {cpu} GB (on Linux, where pip takes PyTorch with CUDA unless it finds the CPU build,
for {cuda} GB; README.md says how to take the CPU build). Then run make again: it goes on.""",
    r"Errno 30\b|Read-only file system": """{path} can only be read, not written.
Copy the course's folder to a disk that can be written, and run make there.""",
    r"Errno 13\b|Errno 1\b|Permission denied": """This user may not write to {path}, which belongs \
to {owner}.
Run make as {owner}, or give the course's folder to this user, or clone the course anew.""",
    r"CERTIFICATE_VERIFY_FAILED": """pip reached a server but does not trust its \
certificate: is the clock right, and is there a proxy?
Set the clock, or export PIP_CERT=/path/to/the/proxy's/certificate.pem, then run make again.""",
    r"MemoryError": """pip was stopped from outside, as a rule because memory ran out: 2 GB must be free.
Close other programs, export PIP_NO_CACHE_DIR=1 (pip needs less then), and run make again.""",
    r"ResolutionImpossible": """{said}The packages pinned in constraints.txt do not fit together for \
Python {version} on {machine};
pip says above which. Try another Python, {range}: {another}.""",
    r"satisfies the requirement (?P<what>\S+) \(from versions: \d": NO_WHEEL,
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|name resolution|Max retries|"
    r"Connection (refused|aborted|reset|broken)|Network is unreachable|getaddrinfo failed": """pip \
cannot reach its package index: there is no network, or a proxy or firewall is in the way.
Connect (behind a proxy: export https_proxy=http://host:port), then run make again: it goes on.""",
    r"(satisfies the requirement|distribution found for) (?P<what>\S+)": NO_WHEEL,
    r"DO NOT MATCH THE HASHES|BadZipFile": """A package arrived damaged. Run make again; if it says \
the same, first run
.venv/bin/python -m pip cache purge""",
    r"(Failed building wheel for|Failed to build) '?(?P<what>[\w.-]+)": """{said}pip found no \
ready-made {what} for Python {version} on {machine}, and could not build it.
Try another Python, {range}: {another}.""",
    r"": """{said}pip could not install the packages; its last words are above. When that is mended, \
run make again: it goes on.
If it does not help: rm -rf .venv, then run make again.""",
}
"""What pip, venv or the system says, and what to do: the first that is found counts."""


class Stop(Exception):
    """It cannot go on; the message says what to do."""


def main(arguments):
    what = arguments[0] if arguments else "ready"
    try:
        check_python()
        if what == "--suits":
            print(sys.executable)
            return 0
        if what not in EXTRAS:
            raise Stop("python3 install.py takes one of: " + ", ".join(EXTRAS))
        check_modules()
        with alone():
            install(what)
    except Stop as stop:
        print("\n{}".format(stop), file=sys.stderr)
        return 1
    except OSError as error:
        print("\n{}".format(explain(str(error))), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run make again: it goes on.", file=sys.stderr)
        return 130
    return 0


def supported():
    """The first and the last minor version of Python 3 that the pinned packages are made for."""
    with open(os.path.join(ROOT, "pyproject.toml")) as file:
        text = re.search(r'requires-python *= *">=3\.(\d+),<3\.(\d+)"', file.read())
    return int(text.group(1)), int(text.group(2)) - 1


def suits(version):
    first, last = supported()
    return version[0] == 3 and first <= version[1] <= last


def pythons():
    """How sentences name those that suit, and how to take another."""
    first, last = supported()
    return {
        "range": "3.{} to 3.{}".format(first, last),
        "another": "export PYTHON=/path/to/python3.{}, then run make again".format(last),
    }


def check_python():
    if not suits(sys.version_info):
        version = ".".join(str(n) for n in sys.version_info[:3])
        raise Stop(
            "This course runs on Python {range}, and {} is Python {}.\n"
            "Install one of these, and say where it is: {another}.".format(
                sys.executable, version, **pythons()
            )
        )


def check_modules(importing=__import__):
    """Stop when this Python lacks a part that some systems leave out."""
    for name in ("venv", "ensurepip", "ssl", "sqlite3", "ctypes"):
        try:
            importing(name)
        except ImportError:
            cure = "Take another Python, {range}: {another}.".format(**pythons())
            if name in ("venv", "ensurepip"):
                cure = "On Debian and Ubuntu, as root: apt-get install python{}.{}-venv"
                cure = cure.format(*sys.version_info)
            raise Stop("{} lacks its part {}.\n{}".format(sys.executable, name, cure))


@contextlib.contextmanager
def alone():
    """One install at a time in this folder; where files cannot be locked, do without."""
    with open(os.path.join(ROOT, "pyproject.toml")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is busy with .venv; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def install(what):
    """Install what is asked for, and keep what was installed before in step with it."""
    begun = time.monotonic()
    make_venv()
    stamps = {name: os.path.join(VENV, name) for name in EXTRAS}
    names = [name for name in EXTRAS if name in ("ready", what) or os.path.exists(stamps[name])]
    extras = ",".join(EXTRAS[name] for name in names)
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "-c", "constraints.txt", "-e", ".[{}]".format(extras)]
    shutil.rmtree(SCRATCH, ignore_errors=True)
    os.makedirs(SCRATCH, exist_ok=True)  # while it is there, make knows that this was not finished
    try:
        with Progress() as progress:
            run(command, progress.hear)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
    for name in names:
        with open(stamps[name], "w") as file:  # make looks at its date, and at the place
            file.write(ROOT + "\n")
    say(".venv is ready, after {:.0f} s.".format(time.monotonic() - begun))


def make_venv():
    """Make .venv unless there is one that works."""
    wrong, version = what_is_wrong(), "{}.{}.{}".format(*sys.version_info)
    if not wrong:
        say("Bringing .venv up to date ...")
    elif os.path.lexists(VENV):
        say("The .venv here {}: making it anew with Python {} ...".format(wrong, version))
    else:
        say("Making .venv with Python {}, once; a few minutes ...".format(version))
    if wrong and os.path.isdir(VENV) and not os.path.islink(VENV):
        shutil.rmtree(VENV)
    if not glob.glob(packages("torch")):
        check_disk()
    if wrong:
        # Not sys.executable: in a shell where .venv was activated, that has just been removed.
        base = getattr(sys, "_base_executable", sys.executable)
        run([base, "-m", "venv", "--clear", VENV])


def what_is_wrong():
    """Why .venv has to be made anew, or None."""
    if not os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
        return "is not whole"
    try:
        with open(os.path.join(VENV, "bin", "pip"), "rb") as file:
            if os.fsencode(PYTHON) not in file.read():
                return "was made in another folder"
    except OSError:
        return "was left half made"
    try:
        ask = "import sys, pip; print(*sys.version_info[:2])"
        answer = subprocess.check_output([PYTHON, "-c", ask], stderr=subprocess.DEVNULL, env=env())
    except (OSError, subprocess.CalledProcessError):
        return "has lost its Python"
    version = tuple(int(n) for n in answer.split())
    if not suits(version):
        return "has Python {}.{}".format(*version)
    if glob.glob(packages("~*")) or not all(map(whole, glob.glob(packages("*.dist-info")))):
        return "was left half made"
    return None


def packages(pattern):
    """A pattern for what pip installs in .venv."""
    return os.path.join(glob.escape(VENV), "lib", "python3.*", "site-packages", pattern)


def whole(package):
    """Whether pip came to the end of installing this: it lists itself in RECORD last of all."""
    try:
        with open(os.path.join(package, "RECORD"), "rb") as file:
            return os.fsencode(os.path.basename(package) + "/INSTALLER,") in file.read()
    except OSError:
        return False


def check_disk(free=None):
    """Stop when the disk cannot hold even the smaller install; warn when CUDA may not fit."""
    free = free_gb(ROOT) if free is None else free
    if free < CPU_GB:
        raise Stop(
            "Making .venv needs {} GB of disk, and {:.1f} GB are free in {}.\n"
            "Make room, then run make again.".format(CPU_GB, free, ROOT)
        )
    if free < CUDA_GB and sys.platform == "linux":
        say(
            "Note: {:.0f} GB of disk are free; PyTorch with CUDA, which pip takes on Linux unless it "
            "finds the CPU build, would need {} GB (see README.md).".format(free, CUDA_GB)
        )


def env():
    """The caller's environment less what would lead pip astray."""
    # /tmp may be small; with all files in one place, there is one disk to look at
    found = dict(os.environ, TMPDIR=SCRATCH, PIP_USER="0", PYTHONNOUSERSITE="1")
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_QUIET"):
        found.pop(name, None)
    return dict(found, PYTHONUNBUFFERED="1")


def run(command, hear=lambda line: None):
    """Run a program, pass on each line, and Stop with a sentence when it fails."""
    lines = []
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=ROOT, env=env(), **output) as child:
        try:
            for line in child.stdout:
                lines.append(line.decode("utf-8", "replace").rstrip())
                hear(lines[-1])
        except BaseException:  # Ctrl-C reaches the child too; let it end before saying so
            child.terminate()
            child.wait()
            raise
    if child.returncode:
        # The system kills what takes too much memory, and says nothing.
        lines += ["MemoryError"] * (child.returncode in (-9, 137))
        raise Stop(explain("\n".join(lines)))


def explain(output):
    """A sentence for what pip, venv or the system said."""
    path = re.search(r"Errno \d+\] [^:\n]*: ['\"]?(/[^'\"\n]*)", output)
    path = standing(path.group(1) if path else VENV)
    facts = dict(pythons(), cpu=CPU_GB, cuda=CUDA_GB, path=path, owner=owner(path))
    facts["free"], facts["home"] = free_gb(ROOT), free_gb(os.path.expanduser("~"))
    facts["version"] = "{}.{}.{}".format(*sys.version_info)
    facts["machine"] = "{} {}".format(platform.system(), platform.machine())
    facts["said"] = "".join("    {}\n".format(line) for line in output.splitlines()[-15:])
    for pattern, sentence in TROUBLES.items():
        found = re.search(pattern, output)
        if found:
            return sentence.format(**dict(facts, **found.groupdict()))


def standing(path):
    """The path, or the nearest folder above it that is there."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def free_gb(path):
    return shutil.disk_usage(standing(path)).free / 1e9


def owner(path):
    try:
        return pwd.getpwuid(os.stat(path).st_uid).pw_name
    except KeyError:
        return "another user"


class Progress:
    """Says in a few lines what pip is at, and every half minute that it is still at it."""

    def __enter__(self):
        self.doing, self.begun, self.over = "finding packages", time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self.beat)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def hear(self, line):
        size = re.match(r"\s*Downloading (\S+?)-\d\S* \(([\d.]+) ([MG])B\)", line)
        if line.startswith("Collecting "):
            self.doing = "finding packages"
        elif size and (size.group(3) == "G" or float(size.group(2)) >= 30):
            self.tell("downloading {} ({} {}B)".format(*size.groups()))
        elif line.startswith("Installing collected packages:"):
            self.tell("unpacking {} packages".format(line.count(",") + 1))
        elif "Retrying (" in line:
            self.tell("waiting for the network")

    def tell(self, doing):
        if doing != self.doing:
            self.doing = doing
            say("  {} ...".format(doing))

    def beat(self):
        while not self.over.wait(30):
            say("  still {}; {:.0f} s ...".format(self.doing, time.monotonic() - self.begun))


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
