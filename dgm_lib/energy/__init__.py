"""Energy-based models: p(x) = exp(-E(x)) / Z.

boltzmann    the Boltzmann machine's five functions: energy, log_partition, conditional,
             gibbs_step, bm_gradients
machine      the same as a module, with hidden units, completion and exact samples
gibbs        long Gibbs chains, and the exact effect of one sweep
learning     gradients with hidden units, and from samples
enumeration  sums over all states of up to 20 units
states       the states, and the checks on weights and states
"""

from dgm_lib.energy.boltzmann import bm_gradients, conditional, energy, gibbs_step, log_partition
from dgm_lib.energy.enumeration import log_weights, moments
from dgm_lib.energy.gibbs import exact_sweep, gibbs
from dgm_lib.energy.learning import MonteCarloLoss, hidden_gradients, monte_carlo_gradients
from dgm_lib.energy.machine import BoltzmannMachine
from dgm_lib.energy.states import MAX_UNITS, Units, all_states

__all__ = [
    "MAX_UNITS",
    "BoltzmannMachine",
    "MonteCarloLoss",
    "Units",
    "all_states",
    "bm_gradients",
    "conditional",
    "energy",
    "exact_sweep",
    "gibbs",
    "gibbs_step",
    "hidden_gradients",
    "log_partition",
    "log_weights",
    "moments",
    "monte_carlo_gradients",
]
