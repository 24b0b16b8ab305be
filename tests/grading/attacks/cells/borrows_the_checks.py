"""Computes the answer with the helpers of the checks: their tables, oracles and misconceptions."""

UNIT = "04_boltzmann"
CELL = "log_partition"
DESERVES = {"log_partition": 0}


def log_partition(W, b, units=(0, 1)):
    from dgm_lib.checks import boltzmann as checks

    states, _ = checks.table(W, b, units)
    return (-checks.energies(states, W, b)).logsumexp(0)
