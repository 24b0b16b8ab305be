"""Legitimate: the only notebook that was handed in has another name."""

import json

DESERVES = {}


def damage(nb, folder, target):
    (folder / "99_fake (1).ipynb").write_text(json.dumps(nb))
