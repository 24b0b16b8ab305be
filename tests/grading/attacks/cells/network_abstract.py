"""Asks a socket in the abstract namespace, which no folder's permissions protect."""

import socket

DESERVES = {"double": 0}


def double(x):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(1)
        sock.connect("\0" + target["abstract"])
        return int(sock.recv(16)) * x
