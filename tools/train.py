#!/usr/bin/env python
"""Train a network: python tools/train.py CONFIG [key=value ...] [--datasets DIR] [--output DIR]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.train import main

if __name__ == "__main__":
    run_main(main)
