"""Ids, attachments and names that climb out of their folder."""

DESERVES = {}


def damage(nb, folder, target):
    up = "../" * 9
    nb["metadata"].update(name=f"{up}x", path=up, title=f"{up}x")
    for i, c in enumerate(nb["cells"]):
        c["id"] = f"{up}{i}"
    picture = {f"{up}x.png": {"image/png": "aGk="}}
    note = {
        "cell_type": "markdown",
        "id": "n",
        "metadata": {},
        "source": f"![x](attachment:{up}x.png)",
    }
    nb["cells"].append({**note, "attachments": picture})
    (folder / "..x").write_text("odd")
    (folder / "a\nb").write_text("odd")
    return nb
