"""Labels: what a pixel value of each data set means, and how it maps to training classes."""
