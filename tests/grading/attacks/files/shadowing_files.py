"""Right, with modules beside it that would be imported in the place of the real ones."""

DESERVES = {}


def damage(nb, folder, target):
    bad = f"open({target['outside']!r} + '/imported', 'w')\nraise SystemExit(1)\n"
    for name in ("torch", "numpy", "sitecustomize", "usercustomize", "fake_checks", "grading"):
        (folder / f"{name}.py").write_text(bad)
    (folder / "dgm_lib").mkdir()
    (folder / "dgm_lib" / "__init__.py").write_text(bad)
    (folder / "nbgrader_config.py").write_text(bad)
    (folder / "evil.pth").write_text(f"import os; open({target['outside']!r} + '/pth', 'w')")
    return nb
