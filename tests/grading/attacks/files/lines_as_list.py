"""Legitimate: sources as lists of lines, Windows line ends, no ids, old minor format."""

DESERVES = {}


def damage(nb, folder, target):
    for c in nb["cells"]:
        c["source"] = [line + "\r\n" for line in "".join(c["source"]).split("\n")]
        del c["id"]
    return {**nb, "nbformat_minor": 2}
