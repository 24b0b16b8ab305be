"""Opens sockets by system calls of its own, past Python: every family that a kernel may know."""

import ctypes

DESERVES = {"double": 0}
INTERNET, LOCAL, PACKET, NETLINK, VSOCK, ALG = 2, 1, 17, 16, 40, 38


def double(x):
    libc = ctypes.CDLL(None)
    opened = [
        libc.syscall(41, family, kind, 0)
        for family in (INTERNET, 10, PACKET, VSOCK, ALG, NETLINK)
        for kind in (1, 2, 3)
    ]
    connected = 0
    for number in (n for n in opened if n >= 0):
        address = b"\2\0" + target["tcp"].to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
        connected += libc.connect(number, address, 16) == 0
        libc.close(number)
    return 2 * x if connected else None
