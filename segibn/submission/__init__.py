"""Submissions to benchmarks: written, then read back and checked as the benchmark would."""
