"""Submissions to benchmarks, one module each: write, then check what was written."""
