"""Decoded frames kept: in memory, and as tiles on disk."""
