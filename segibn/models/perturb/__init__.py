"""Perturbation of features (N, C, h, w) while training; prediction knows nothing of it."""
