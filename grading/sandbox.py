"""The sandbox from outside: bubblewrap's command for the zygote, and whether this machine can.

parent ── bwrap ── zygote ── warden ── init ── student
          walls once per zygote        walls once per submission (grading.confine)
"""

import ctypes
import os
import shutil
import site
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dgm_lib.checks.call import Unreachable
from grading import confine

COURSE = "/course"
"""Where the sealed library lies, seen from inside."""
HELP = (
    "Grading runs students' code in a sandbox, and this machine cannot make one: {trouble}. "
    "`python -m grading doctor` looks closer. For code that you trust: "
    "`python -m grading autograde UNIT --no-sandbox`."
)
_INSTALL = "install it (Debian, Ubuntu: apt-get install {deb}; conda: conda install -c conda-forge {conda})"


class Unavailable(Unreachable, RuntimeError):
    """This machine cannot make a sandbox; the message says what is missing and how to get it."""

    def __str__(self) -> str:
        return HELP.format(trouble=self.args[0])


@dataclass(frozen=True)
class Finding:
    """One thing that grading needs, and whether it is there."""

    name: str
    ok: bool
    says: str


def require() -> None:
    """Raises `Unavailable` if something is missing that can be seen without trying."""
    for finding in ingredients():
        if not finding.ok:
            raise Unavailable(f"{finding.name}: {finding.says}")


def command(folder: str, environment: dict[str, str]) -> list[str]:
    """What to put before a program that is to run in the sandbox.

    Args:
        folder: the sealed library, which appears as `COURSE`.
        environment: the only variables that are passed on.
    """
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    arguments += ["--hostname", "grading", "--new-session", "--clearenv"]
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    arguments += ["--ro-bind", "/usr", "/usr"]
    for path in map(Path, ("/bin", "/sbin", "/lib", "/lib32", "/lib64")):
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for path in ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/nix/store"):
        arguments += ["--ro-bind-try", path, path]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--perms", "0700", "--tmpfs", confine.SCRATCH]
    for path in _libraries():
        arguments += ["--ro-bind", path, path]
    for path in _fonts():
        arguments += ["--ro-bind", str(path), f"{confine.SCRATCH}/matplotlib/{path.name}"]
    arguments += ["--ro-bind", folder, COURSE, "--chdir", confine.SCRATCH]
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/"]


def _libraries() -> list[str]:
    """Where the interpreter and its packages lie, the outer folders only."""
    folders = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix)}
    folders.add(os.path.realpath(sys.base_prefix))
    if site.ENABLE_USER_SITE and os.path.isdir(site.getusersitepackages()):
        folders.add(site.getusersitepackages())
    return [
        f
        for f in sorted(folders)
        if not any(Path(f).is_relative_to(o) for o in {*folders, "/usr"} - {f})
    ]


def _fonts() -> list[Path]:
    """matplotlib's list of fonts, which takes seconds to make anew."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return sorted(cache.glob("matplotlib/fontlist-*.json"))


def ingredients() -> list[Finding]:
    """What can be seen without trying."""
    if sys.platform != "linux":
        says = f"this is {sys.platform}; grade on Linux, in a virtual machine or on a server"
        return [Finding("Linux", False, says)]
    bwrap = shutil.which("bwrap")
    install = _INSTALL.format(deb="bubblewrap", conda="bubblewrap")
    found = [Finding("Linux", True, os.uname().release)]
    found.append(Finding("bubblewrap", bool(bwrap), bwrap or f"not found; {install}"))
    try:
        ctypes.CDLL("libseccomp.so.2")
        found.append(Finding("libseccomp", True, "libseccomp.so.2"))
    except OSError:
        install = _INSTALL.format(deb="libseccomp2", conda="libseccomp")
        found.append(Finding("libseccomp", False, f"not found; {install}"))
    abi = confine.landlock_version()
    says = f"version {abi}" if abi else "the kernel has none; it needs Linux 5.13 with Landlock on"
    found.append(Finding("Landlock", abi > 0, says))
    return found


def namespaces() -> Finding:
    """Whether the kernel lets bubblewrap make a sandbox, tried for real."""
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/"]
    arguments += ["--proc", "/proc", "true"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    says = "bubblewrap can make them" if done.returncode == 0 else refusal(done.stderr)
    return Finding("namespaces", done.returncode == 0, says)


def refusal(error: str) -> str:
    """What to do when the kernel says no."""
    return (
        f"the kernel refuses ({error.strip()[:200]}); allow user namespaces to ordinary users "
        "(sysctl user.max_user_namespaces=15000, on Debian kernel.unprivileged_userns_clone=1, on "
        "Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; a container needs "
        "--security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
    )
