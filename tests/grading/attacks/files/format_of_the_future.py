"""Claims a notebook format that does not exist yet; the rest is as it should be."""

DESERVES = {}


def damage(nb, folder, target):
    return {**nb, "nbformat": 99, "nbformat_minor": 10**9}
