"""Evaluation: predictions and targets in, scores with a signature out. NumPy only, no torch."""
