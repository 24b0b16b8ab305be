"""Variational inference: bounds on log p(x), their gradients, and a first VAE.

    elbo             the ELBO and its gap, exact where z takes few values
    forms            the same bound for any model and any q, written in its three ways
    likelihood       log p(x) by Monte Carlo: naive (and how it fails), importance-weighted
    gaussian         closed-form KL and reparameterised samples, diagonal or full covariance
    linear_gaussian  a model whose log p(x), posterior and gap are exact
    score_function   gradients for discrete z: REINFORCE with a leave-one-out baseline
    gradients        both gradient estimators for a Gaussian q, and control variates
    relaxed          Gumbel-softmax and straight-through
    mean_field       coordinate ascent on a Boltzmann machine, a lower bound on log Z
    em               EM for a Gaussian mixture, as coordinate ascent on the ELBO
    amortised        one q per data point, and the amortisation gap
    vae              a variational autoencoder with a Bernoulli decoder

The VAE's own unit (IWAE, conditional and hierarchical VAEs) builds on these.
"""
