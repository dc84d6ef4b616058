#!/usr/bin/env python
"""Feature divergence of runs: python tools/feature_divergence.py RUN [RUN ...] --domains A B."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.feature_divergence import main

if __name__ == "__main__":
    run_main(main)
