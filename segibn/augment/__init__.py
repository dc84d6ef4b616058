"""Augmentation of whole batches on the device: the style of images, and what is pasted into them.

Legend: N images, H x W pixels; images (N, 3, H, W) float32 RGB 0..255; targets (N, H, W) train ids.
Random numbers come from torch's global generator, which the engine seeds for every iteration.
"""
