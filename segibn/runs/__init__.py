"""Trained runs: found by name, loaded, scored, compared, used for prediction."""
