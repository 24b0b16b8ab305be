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
completion   exact completion: visible units given others
ais          annealed importance sampling for log Z, with a confidence interval

dbn          the deep belief network: a stack of RBMs as one model, its bound, its samples
dbn_training greedy training of the stack, and fine tuning of the network
dbm          the deep Boltzmann machine with two hidden layers
mean_field   its inference: dbm_mean_field
dbm_training its pretraining with doubled weights, and joint training with persistent chains
"""

from dgm_lib.energy.ais import (
    LogPartition,
    ais_log_partition,
    ais_log_weights,
    base_rates,
)
from dgm_lib.energy.boltzmann import bm_gradients, conditional, energy, gibbs_step, log_partition
from dgm_lib.energy.completion import completion_probs
from dgm_lib.energy.contrastive import ContrastiveLoss
from dgm_lib.energy.dbm import DeepBoltzmannMachine
from dgm_lib.energy.dbm_training import DoubledLoss, MeanFieldLoss, pretrain_dbm
from dgm_lib.energy.dbn import DeepBeliefNetwork
from dgm_lib.energy.dbn_training import BoundLoss, greedy
from dgm_lib.energy.enumeration import log_weights, moments
from dgm_lib.energy.gaussian_rbm import GaussianRBM
from dgm_lib.energy.gibbs import exact_sweep, gibbs
from dgm_lib.energy.learning import MonteCarloLoss, hidden_gradients, monte_carlo_gradients
from dgm_lib.energy.machine import BoltzmannMachine
from dgm_lib.energy.mean_field import dbm_mean_field
from dgm_lib.energy.rbm import cd_gradients, exact_gradients, free_energy, hidden_probs
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.energy.states import MAX_UNITS, Units, all_states

__all__ = [
    "MAX_UNITS",
    "RBM",
    "BoltzmannMachine",
    "BoundLoss",
    "ContrastiveLoss",
    "DeepBeliefNetwork",
    "DeepBoltzmannMachine",
    "DoubledLoss",
    "GaussianRBM",
    "LogPartition",
    "MeanFieldLoss",
    "MonteCarloLoss",
    "Units",
    "ais_log_partition",
    "ais_log_weights",
    "all_states",
    "base_rates",
    "bm_gradients",
    "cd_gradients",
    "completion_probs",
    "conditional",
    "dbm_mean_field",
    "energy",
    "exact_gradients",
    "exact_sweep",
    "free_energy",
    "gibbs",
    "gibbs_step",
    "greedy",
    "hidden_gradients",
    "hidden_probs",
    "log_partition",
    "log_weights",
    "moments",
    "monte_carlo_gradients",
    "pretrain_dbm",
]
