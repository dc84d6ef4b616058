"""Perturbation of features while training: gone, without a trace, when the network predicts.

Legend: N images, C channels, h x w feature pixels.
"""
