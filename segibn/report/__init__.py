"""Reports: the tables of README, rendered from ``results/`` and from nothing else."""
