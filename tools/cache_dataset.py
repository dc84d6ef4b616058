#!/usr/bin/env python
"""Cache a training set on disk: python tools/cache_dataset.py CONFIG [--cache DIR] [--verify]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.cache_dataset import main

if __name__ == "__main__":
    run_main(main)
