"""segibn: semantic segmentation of driving scenes that carries over to places never seen.

The legend used in every docstring: N images, K classes, C channels, H x W input pixels, h x w
feature pixels, s stride. Sizes are always (H, W); images are RGB; IoU is a fraction in 0..1.
"""

__version__ = "0.1.0"
