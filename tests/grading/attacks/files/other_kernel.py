"""Asks for another kernel, whose command line would be run."""

DESERVES = {}


def damage(nb, folder, target):
    spec = {"name": "../../evil", "display_name": "evil", "argv": ["touch", target["outside"]]}
    nb["metadata"]["kernelspec"] = {**spec, "language": "bash"}
    nb["metadata"]["language_info"] = {"name": "bash", "nbconvert_exporter": "script"}
    return nb
