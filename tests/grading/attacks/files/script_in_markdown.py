"""Changes a markdown cell of the release and adds some with scripts; the answers are right."""

DESERVES = {}
NEVER = ["<script>steal", "<img src=x onerror=steal", 'href="javascript:']
BAD = "<script>steal()</script><img src=x onerror=steal()>[a](javascript:steal())"


def damage(nb, folder, target):
    for kind in ("markdown", "raw"):
        metadata = {"format": "text/html", "raw_mimetype": "text/html"}
        nb["cells"].insert(0, {"cell_type": kind, "id": kind, "metadata": metadata, "source": BAD})
    nb["metadata"]["title"] = BAD
    nb["metadata"]["authors"] = [{"name": BAD}]
    return nb
