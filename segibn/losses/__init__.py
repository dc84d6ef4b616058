"""Losses: what a training minimises, in nats or as a share, from logits and train ids.

In: logits (N, K, H, W) and targets (N, H, W) of train ids 0..K-1 or 255. Out: scalars. Everything
here computes in float32 (float64 for float64 logits) whatever autocast says, has shapes that do not
depend on the data, and never reads a value from the device while it trains. ``build.py`` goes from
the config to a criterion.

Shape legend of the package: N images, K classes, H x W pixels.
"""
