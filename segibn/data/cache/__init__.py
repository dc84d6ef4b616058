"""Decoded frames kept on disk, as tiles."""
