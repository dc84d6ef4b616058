"""Operators written for speed: their eager, compiled, CPU and Triton forms."""
