"""Tries system calls that no notebook needs: bpf, perf, userfaultfd, keys, io_uring, handles, modules."""

import ctypes

DESERVES = {"double": 0}
CALLS = {
    "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 1),
    "keyctl": (250, 0, -3, 1),
    "io_uring_setup": (425, 1, ctypes.create_string_buffer(256)),
    "open_by_handle_at": (304, -100, ctypes.create_string_buffer(64), 0),
    "pidfd_open": (434, target["sentinel"], 0),
    "chroot": (161, b"."),
    "pidfd_getfd": (438, 3, 0, 0),
    "kcmp": (312, target["sentinel"], target["sentinel"], 0, 0, 0),
}


def double(x):
    libc = ctypes.CDLL(None, use_errno=True)
    allowed = [name for name, call in CALLS.items() if libc.syscall(*call) >= 0]
    print(allowed)
    return 2 * x if allowed else None
