"""Legitimate: computed in a pool of threads."""

from concurrent.futures import ThreadPoolExecutor

DESERVES = {}


def double(x):
    with ThreadPoolExecutor(2) as pool:
        return pool.submit(lambda: 2 * x).result()
