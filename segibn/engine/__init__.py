"""Training: ``train`` is the loop, top to bottom; the other modules are what it calls."""
