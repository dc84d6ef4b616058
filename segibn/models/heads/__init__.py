"""Heads: from a backbone's named features to coarse class logits (N, K, h, w).

A head's `logits_spec` says channels (K) and stride of its logits. Dropout is in training, of single
values or, by `dropout_unit`, of whole channels.
"""
