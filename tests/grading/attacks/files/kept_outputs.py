"""Right, and handed in with 10 MB of outputs and scripts in them."""

DESERVES = {}
NEVER = ["<script>steal", "y" * 100_000]


def damage(nb, folder, target):
    data = {"text/html": "<script>steal()</script>", "text/plain": "y" * 10_000_000}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    for c in nb["cells"][:3]:
        c["outputs"] = [output] if c["id"] == "double" else []
    return nb
