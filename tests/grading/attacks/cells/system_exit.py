"""Raises SystemExit, KeyboardInterrupt and GeneratorExit in turn."""

DESERVES = {"double": 0}
turn = [SystemExit(0), KeyboardInterrupt(), GeneratorExit()]


def double(x):
    turn.append(turn.pop(0))
    raise turn[-1]
