#!/usr/bin/env python
"""Score a trained network: python tools/evaluate.py RUN [--dataset NAME --split SPLIT]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.evaluate import main

if __name__ == "__main__":
    run_main(main)
