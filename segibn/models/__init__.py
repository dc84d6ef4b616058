"""Networks: backbones, heads, the `Segmenter` that joins them, and where weights come from.

Shape legend of the package: N images, K classes, C channels, H x W input pixels, h x w feature
pixels, s stride.
"""
