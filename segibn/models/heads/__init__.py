"""Heads: from a backbone's named features to coarse class logits (N, K, h, w)."""
