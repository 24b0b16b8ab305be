"""The walls around a student's process, built by that process before any of the student's code runs.

The zygote lives in a bubblewrap sandbox already: no network, no home, nothing of the course but a
sealed copy of the library, all of it read-only. Bubblewrap starts programs, though, and a child is
forked from a warm process, so what must be new for every submission is done here: namespaces of its
own, an empty /proc, a scratch folder of limited size, Landlock, seccomp and resource limits. Linux
only; the calls are those of unshare(2), mount(2), landlock(7) and libseccomp.
"""

import ctypes
import os
import resource
import struct
import sys
import tempfile
from functools import cache

from grading.limits import Limits

SCRATCH = "/scratch"
"""Where a student's code may write."""

_NEW_NS, _NEW_IPC, _NEW_USER, _NEW_PID = 0x20000, 0x8000000, 0x10000000, 0x20000000
_CLONE_THREAD = 0x10000
_NOSUID, _NODEV, _NOEXEC, _READ_ONLY, _RECURSIVE, _PRIVATE = 2, 4, 8, 1, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38

# Landlock: what a path may be used for (linux/landlock.h); all that is not granted is refused.
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 2, 4, 8, 16, 32
_MAKE_DIR, _MAKE_FILE, _REFER, _TRUNCATE = 128, 256, 1 << 13, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _REFER
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

# seccomp: what a notebook never needs. Answered with "operation not permitted".
_FORBIDDEN = [
    "fork",
    "vfork",
    "execve",
    "execveat",
    "socket",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "unshare",
    "setns",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "memfd_create",
    "memfd_secret",
    "shmget",
    "shmat",
    "shmctl",
    "semget",
    "semop",
    "semtimedop",
    "semctl",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
    "mq_open",
    "mq_unlink",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "open_by_handle_at",
    "name_to_handle_at",
    "fanotify_init",
    "fanotify_mark",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "personality",
    "vhangup",
    "lookup_dcookie",
    "nfsservctl",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setfsuid",
    "setfsgid",
    "capset",
    "sched_setscheduler",
    "sched_setattr",
    "setpriority",
    "ioprio_set",
    "mbind",
    "set_mempolicy",
    "migrate_pages",
    "move_pages",
]
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_MASKED_EQUAL = 7
_OPTIMIZE = 8


class _Compare(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    ]


class _Program(ctypes.Structure):
    """The kernel's sock_fprog: so many instructions of 8 bytes."""

    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def new_namespaces() -> None:
    """Unshare users, IPC and process ids: the next fork is process 1 of its own world."""
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", _NEW_USER | _NEW_IPC | _NEW_PID)
    maps = {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}
    for name, text in maps.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def new_files(limits: Limits) -> None:
    """Unshare mounts: an empty /proc, and an empty scratch folder of limited size."""
    _call("unshare", _NEW_NS)
    _call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    empty, safe = b"size=4k,mode=555", _NOSUID | _NODEV | _NOEXEC
    _call("mount", b"none", b"/proc", b"tmpfs", safe | _READ_ONLY, empty)
    size = f"size={limits.scratch_bytes},nr_inodes=4096,mode=700".encode()
    _call("mount", b"none", SCRATCH.encode(), b"tmpfs", safe, size)


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends (where the system can do that)."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, 9, 0, 0, 0)


def limit_resources(limits: Limits, used: int) -> None:
    """Resource limits of this process, which has `used` bytes of address space so far."""
    memory = used + limits.memory_bytes
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(limits.total_seconds) + 1),
        (resource.RLIMIT_FSIZE, limits.scratch_bytes),
        (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def address_space() -> int:
    """The bytes of address space that this process uses; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def lock() -> None:
    """Give up, for good, what a notebook does not need."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
    _landlock()
    program = seccomp_program()
    code = ctypes.create_string_buffer(program, len(program))
    prog = _Program(len(program) // 8, ctypes.addressof(code))
    _call("prctl", _PR_SET_SECCOMP, 2, ctypes.byref(prog), 0, 0)


def landlock_version() -> int:
    """The kernel's Landlock ABI; 0 if it has none, or it is switched off."""
    return max(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, 1), 0)


def _landlock() -> None:
    """All may be read that can be seen, nothing executed, and only the scratch folder written."""
    abi = landlock_version()
    if abi == 0:
        raise OSError("Landlock: the kernel has none")
    files = (1 << (13, 14, 15, 15, 16)[min(abi, 5) - 1]) - 1
    handled = [files, *([3] if abi >= 4 else []), *([3] if abi >= 6 else [])]
    attributes = struct.pack(f"{len(handled)}Q", *handled)
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    for path, access in (("/", _READ), (SCRATCH, _WRITE), ("/dev/null", _READ_FILE | _WRITE_FILE)):
        fileno = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", (access | _TRUNCATE * (access != _READ)) & files, fileno)
        _syscall(_ADD_RULE, ruleset, 1, rule, 0)
        os.close(fileno)
    _syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


@cache
def seccomp_program() -> bytes:
    """The filter, compiled by libseccomp for this machine's processor."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    library.seccomp_attr_set(filter_, _OPTIMIZE, 2)
    add, number = library.seccomp_rule_add_array, library.seccomp_syscall_resolve_name
    for name in _FORBIDDEN:
        if (n := number(name.encode())) >= 0:  # negative: this processor has no such call
            add(filter_, _ERRNO | _EPERM, n, 0, None)
    add(filter_, _ERRNO | _ENOSYS, number(b"clone3"), 0, None)  # so that libc takes clone
    thread = _Compare(0, _MASKED_EQUAL, _CLONE_THREAD, 0)
    add(filter_, _ERRNO | _EPERM, number(b"clone"), 1, ctypes.byref(thread))
    with tempfile.TemporaryFile() as file:
        failed = library.seccomp_export_bpf(filter_, file.fileno())
        library.seccomp_release(filter_)
        if failed:
            raise OSError(-failed, "seccomp_export_bpf")
        file.seek(0)
        return file.read()


def _call(name: str, *args: object) -> None:
    """A function of the C library that returns 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in args]
    if getattr(libc, name)(*longs) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _syscall(number: int, *args: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(number), *longs)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result
