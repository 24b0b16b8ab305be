"""Make .venv, or bring it up to date: `python3 install.py [ready|bench|site]`. make calls this.

A .venv that works is updated in place. One that was moved, copied, or left half made is made anew;
pip keeps what it has downloaded, so nothing is fetched twice. Whatever goes wrong, a sentence says
what to do, and running make again goes on.

Even Python 2 must read this file far enough to say that it is too old: no f-strings, no annotations.
"""

from __future__ import print_function

import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.realpath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
EXTRAS = {"ready": "grading,cluster,test", "bench": "bench", "site": "site"}
CPU_GB, CUDA_GB = 2.5, 10
"""Free disk for a whole install, downloads included: with PyTorch for the CPU, and with CUDA."""
QUIET_SECONDS = 30
"""After so long without news, a line says that work goes on."""

DISK = """The disk is full: {free:.1f} GB are free in this folder, {home:.1f} GB in the home folder.
Make room for {cpu} GB (on Linux, where pip takes PyTorch with CUDA unless it finds the CPU build,
for {cuda} GB; README.md says how to take the CPU build). Then run make again: it goes on."""
NETWORK = """pip cannot reach its package index: there is no network, or a proxy or firewall is in the way.
Connect (behind a proxy: export https_proxy=http://host:port), then run make again: it goes on."""
CERTIFICATE = """pip reached a server but does not trust its certificate: is the clock right, and is there a proxy?
Set the clock, or export PIP_CERT=/path/to/the/proxy's/certificate.pem, then run make again."""
PERMISSION = """This user may not write to {path}, which belongs to {owner}.
Run make as {owner}, or give the course's folder to this user, or clone the course anew."""
READ_ONLY = """{path} can only be read, not written.
Copy the course's folder to a disk that can be written, and run make there."""
NO_WHEEL = """pip finds no {what} for Python {version} on {machine}.
Try another Python, {range}: make PYTHON=/path/to/python3.X. A system for which PyTorch
makes no packages (an Intel Mac, Alpine Linux, 32 bits) needs another machine, or conda."""
CONFLICT = """The packages pinned in constraints.txt do not fit together for Python {version} on {machine};
pip says above which. Try another Python, {range}: make PYTHON=/path/to/python3.X"""
NO_COMPILER = """pip found no ready-made {what} for Python {version} on {machine}, and could not build it.
Try another Python, {range}: make PYTHON=/path/to/python3.X"""
DAMAGED = """A package arrived damaged (its hash differs). Run make again; if it says the same, first run
{python} -m pip cache purge"""
MEMORY = """pip was stopped from outside, as a rule because memory ran out: 2 GB must be free.
Close other programs, then run make again with less to keep in mind: PIP_NO_CACHE_DIR=1 make"""
OTHER = """pip could not install the packages; its last words are above. When that is mended, run make
again: it goes on. If it does not help: rm -rf .venv, then make."""


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


def check_python(version=None, executable=None):
    """Stop unless this Python is one of those supported."""
    version, first_last = tuple(version or sys.version_info), supported()
    if version[0] == 3 and first_last[0] <= version[1] <= first_last[1]:
        return
    raise Stop(
        "This course runs on Python {}, and {} is Python {}.\n"
        "Install one of these, and say where it is: make PYTHON=/path/to/python3.{}".format(
            range_of(first_last),
            executable or sys.executable,
            ".".join(str(n) for n in version[:3]),
            first_last[1],
        )
    )


def range_of(first_last=None):
    return "3.{} to 3.{}".format(*(first_last or supported()))


def check_modules(importing=__import__):
    """Stop when this Python lacks a part that some systems leave out."""
    for name in ("venv", "ensurepip", "ssl", "sqlite3", "ctypes"):
        try:
            importing(name)
        except ImportError:
            mine = "python{}.{}".format(*sys.version_info)
            if name in ("venv", "ensurepip"):
                raise Stop(
                    "{} cannot make virtual environments: its {} is missing.\nOn Debian and Ubuntu: "
                    "apt-get install {}-venv (as root, or with sudo). Then run make again.".format(
                        sys.executable, name, mine
                    )
                )
            raise Stop(
                "{} was built without {}, which the course needs.\n"
                "Name another Python, {}: make PYTHON=/path/to/{}".format(
                    sys.executable, name, range_of(), mine
                )
            )


class alone:
    """One install at a time in this folder; where files cannot be locked, do without."""

    def __enter__(self):
        import fcntl

        self.file = open(os.path.join(ROOT, "pyproject.toml"))
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is busy with .venv; waiting for it ...")
            fcntl.flock(self.file, fcntl.LOCK_EX)
        except OSError:
            pass

    def __exit__(self, *_):
        self.file.close()


def install(what):
    """Install what is asked for, and keep what was installed before in step with it."""
    begun = time.monotonic()
    version = "{}.{}.{}".format(*sys.version_info)
    wrong = what_is_wrong()
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
        run([sys.executable, "-m", "venv", "--clear", VENV])
    names = ["ready"] if what == "ready" else ["ready", what]
    names += [name for name in EXTRAS if name not in names and os.path.exists(stamp(name))]
    extras = ",".join(EXTRAS[name] for name in names)
    # While this folder is there, make knows that the work was not finished.
    shutil.rmtree(os.path.join(VENV, "tmp"), ignore_errors=True)
    os.makedirs(os.path.join(VENV, "tmp"), exist_ok=True)
    try:
        run(
            [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
            + ["--progress-bar", "off", "-c", "constraints.txt", "-e", ".[{}]".format(extras)],
            Progress(),
        )
    finally:
        shutil.rmtree(os.path.join(VENV, "tmp"), ignore_errors=True)
    for name in names:
        with open(stamp(name), "w") as file:
            file.write(ROOT + "\n")
    say(".venv is ready, after {:.0f} s.".format(time.monotonic() - begun))


def stamp(name):
    """The file that says, by its date, when this was installed, and in it, where."""
    return os.path.join(VENV, name)


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
        version = tuple(int(n) for n in answer.split())
        check_python(version, PYTHON)
    except (OSError, subprocess.CalledProcessError):
        return "has lost its Python"
    except Stop:
        return "has Python {}.{}".format(*version)
    for folder in glob.glob(packages()):
        for name in os.listdir(folder):
            if name.startswith("~") or (name.endswith(".dist-info") and not whole(folder, name)):
                return "was left half made"
    return None


def packages(name=""):
    """A pattern for what pip installs in .venv."""
    return os.path.join(glob.escape(VENV), "lib", "python3.*", "site-packages", name)


def whole(folder, name):
    """Whether pip came to the end of installing this: it lists itself in RECORD last of all."""
    try:
        with open(os.path.join(folder, name, "RECORD"), "rb") as file:
            return os.fsencode(name + "/INSTALLER,") in file.read()
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


def free_gb(path):
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free / 1e9


def env():
    """The caller's environment less what would lead pip astray, with messages in English."""
    found = dict(os.environ, PIP_USER="0", PYTHONNOUSERSITE="1", PYTHONUNBUFFERED="1")
    found["TMPDIR"] = os.path.join(
        VENV, "tmp"
    )  # /tmp may be small; so there is one disk to look at
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_QUIET", "LANGUAGE"):
        found.pop(name, None)
    if "LC_ALL" in found:
        found["LC_CTYPE"] = found.pop("LC_ALL")
    found["LC_MESSAGES"] = "C"
    return found


def run(command, heard=lambda line: None):
    """Run a program, pass on each line, and Stop with a sentence when it fails."""
    lines = []
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=ROOT, env=env(), **output) as child:
        try:
            for line in child.stdout:
                lines.append(line.decode("utf-8", "replace").rstrip())
                heard(lines[-1])
        except BaseException:  # Ctrl-C reaches the child too; let it end before saying so
            child.terminate()
            raise
        finally:
            code = child.wait()
            getattr(heard, "close", bool)()
    if code:
        raise Stop(explain("\n".join(lines), code))


def explain(output, code=1):
    """A sentence for what pip, venv or the system said."""

    def said(pattern):
        return re.search(pattern, output)

    first_last = supported()
    words = {
        "version": "{}.{}.{}".format(*sys.version_info),
        "machine": "{} {}".format(platform.system(), platform.machine()),
        "range": range_of(first_last),
        "python": PYTHON,
    }
    if said(r"Errno 28\b|Errno 122\b|No space left on device|Disk quota exceeded"):
        free, home = free_gb(ROOT), free_gb(os.path.expanduser("~"))
        return DISK.format(free=free, home=home, cpu=CPU_GB, cuda=CUDA_GB)
    path = said(r"(?:denied|permitted|system)(?:: ['\"]?)(/[^'\"\n]*)")
    words.update(whose(path.group(1) if path else VENV))
    if said(r"Errno 30\b|Read-only file system"):
        return READ_ONLY.format(**words)
    if said(r"Errno 13\b|Errno 1\b|Permission denied"):
        return PERMISSION.format(**words)
    if said(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError"):
        return CERTIFICATE
    unreached = (
        r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|name resolution|Max retries|"
    )
    unreached += r"Connection (?:refused|aborted|reset)|Network is unreachable|getaddrinfo failed"
    missing = said(r"(?:satisfies the requirement|distribution found for) (\S+)(.*)")
    if said(unreached) and not said(r"from versions: \d"):
        return NETWORK
    if said("ResolutionImpossible"):
        return last_words(output) + CONFLICT.format(**words)
    if missing:
        return NO_WHEEL.format(what=missing.group(1), **words)
    if said("DO NOT MATCH THE HASHES|BadZipFile|IncompleteRead"):
        return DAMAGED.format(**words)
    if code in (-9, 137) or said("MemoryError"):
        return MEMORY
    failed = said(r"(?:Failed building wheel for|Failed to build) '?([\w.-]+)")
    if failed:
        return last_words(output) + NO_COMPILER.format(what=failed.group(1), **words)
    return last_words(output) + OTHER.format(**words)


def last_words(output):
    return "".join("    {}\n".format(line) for line in output.splitlines()[-15:])


def whose(path):
    """A path, or the nearest folder above it that exists, and who owns it."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    try:
        import pwd

        owner = pwd.getpwuid(os.lstat(path).st_uid).pw_name
    except (ImportError, KeyError):
        owner = "another user"
    return {"path": path, "owner": owner}


class Progress:
    """Says in a few lines what pip is at; every so often that it is still at it."""

    def __init__(self):
        self.doing, self.found, self.before = "finding packages", 0, 0
        self.begun = self.spoken = time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.beat)
        self.thread.daemon = True
        self.thread.start()

    def __call__(self, line):
        size = re.match(r"\s*Downloading (\S+?)-\d\S* \(([\d.]+) ([MG])B\)", line)
        if line.startswith("Collecting "):
            self.found += 1
            self.doing = "finding packages"
        elif size and (size.group(3) == "G" or float(size.group(2)) >= 30):
            self.say("downloading {} ({} {}B)".format(*size.groups()))
        elif line.startswith("Installing collected packages:"):
            self.before = len(glob.glob(packages("*.dist-info")))
            self.say("unpacking {} packages".format(line.count(",") + 1))
        elif "Retrying (" in line:
            self.say("waiting for the network")

    def say(self, doing):
        if doing != self.doing:
            self.doing, self.spoken = doing, time.monotonic()
            say("  {} ...".format(doing))

    def beat(self):
        while not self.over.wait(1):
            now = time.monotonic()
            if now - self.spoken >= QUIET_SECONDS:
                self.spoken = now
                say("  {}{}; {:.0f} s ...".format(self.doing, self.many(), now - self.begun))

    def many(self):
        if self.doing == "finding packages":
            return ", {} so far".format(self.found)
        if self.doing.startswith("unpacking"):
            return ", {} done".format(len(glob.glob(packages("*.dist-info"))) - self.before)
        return ""

    def close(self):
        self.over.set()
        self.thread.join()


def say(line):
    print(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
