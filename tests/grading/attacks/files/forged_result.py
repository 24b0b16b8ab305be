"""Hands in test cells that hold outputs already: an execute_result with full marks."""

DESERVES = {"double": 0}


def damage(nb, folder, target):
    cell(nb, "double")["source"] = "def double(x):\n    return None"
    data = {"text/plain": "4", "text/html": "double: 4 of 4 points"}
    forged = {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}
    cell(nb, "check_double")["outputs"] = [forged]
    return nb
