"""The data room: from folders on disk to batches of uint8 images and train-id targets.

In: a data set's own folder in its official layout, a split, a label set. Out: batches for training
(`loader.py`) and single frames at native size for evaluation (`frames.py`). One index module for
each data set turns a folder into a list of sample paths; one `Dataset` class serves them all. What
a run shows at each position is planned in `plan.py`, from nothing but the seed, the shares of the
sources and the index of their classes.

Legend: N images, K classes, H x W pixels; sizes are always (H, W), images RGB.
"""
