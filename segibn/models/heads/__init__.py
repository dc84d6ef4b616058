"""Heads: a backbone's named features -> coarse logits (N, K, h, w) as `logits_spec` says."""
