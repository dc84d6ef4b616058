"""From folders on disk to batches of uint8 images and train-id targets.

Out: batches for training (`loader.py`), frames at native size for evaluation (`frames.py`).
Legend: N images, K classes, H x W pixels; sizes are always (H, W), images RGB.
"""
