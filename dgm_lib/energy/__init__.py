"""Energy-based models: p(x) = exp(-E(x)) / Z.

boltzmann    the Boltzmann machine's five functions: energy, log_partition, conditional,
             gibbs_step, bm_gradients
machine      the same as a module, with hidden units, completion and exact samples
gibbs        long Gibbs chains, and the exact effect of one sweep
learning     gradients with hidden units, and from samples
enumeration  sums over all states of up to 20 units
states       the states, and the checks on weights and states

rbm          the restricted Boltzmann machine: free_energy, hidden_probs, cd_gradients, exact_gradients
rbm_machine  the same as a module
gaussian_rbm the same for real-valued data
contrastive  CD-k and PCD, as a loss for `fit`
ais          annealed importance sampling for log Z, with a confidence interval
"""

from dgm_lib.energy.ais import (
    LogPartition,
    ais_log_partition,
    ais_log_weights,
    base_rates,
)
from dgm_lib.energy.boltzmann import bm_gradients, conditional, energy, gibbs_step, log_partition
from dgm_lib.energy.contrastive import ContrastiveLoss
from dgm_lib.energy.enumeration import log_weights, moments
from dgm_lib.energy.gaussian_rbm import GaussianRBM
from dgm_lib.energy.gibbs import exact_sweep, gibbs
from dgm_lib.energy.learning import MonteCarloLoss, hidden_gradients, monte_carlo_gradients
from dgm_lib.energy.machine import BoltzmannMachine
from dgm_lib.energy.rbm import cd_gradients, exact_gradients, free_energy, hidden_probs
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.energy.states import MAX_UNITS, Units, all_states

__all__ = [
    "MAX_UNITS",
    "RBM",
    "BoltzmannMachine",
    "ContrastiveLoss",
    "GaussianRBM",
    "LogPartition",
    "MonteCarloLoss",
    "Units",
    "ais_log_partition",
    "ais_log_weights",
    "all_states",
    "base_rates",
    "bm_gradients",
    "cd_gradients",
    "conditional",
    "energy",
    "exact_gradients",
    "exact_sweep",
    "free_energy",
    "gibbs",
    "gibbs_step",
    "hidden_gradients",
    "hidden_probs",
    "log_partition",
    "log_weights",
    "moments",
    "monte_carlo_gradients",
]
