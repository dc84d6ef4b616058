"""Losses: what a training minimises, in nats or as a share, from logits and train ids.

In: logits (N, K, H, W) and targets (N, H, W) of train ids 0..K-1 or 255 (ignored: costs nothing,
gets no gradient), any integer type. Out: scalars, 0 with zero gradient where no pixel counts. All
compute in float32 (float64 for float64 logits) whatever autocast says, have shapes that do not
depend on the data, and never read a value from the device while they train.
"""
