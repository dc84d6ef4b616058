"""Weights from files: pretrained, checkpoints, other toolkits' layouts."""
