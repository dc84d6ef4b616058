#!/usr/bin/env python
"""Paint sample data: python tools/make_sample_data.py --output DIR [--frames TRAIN VAL]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.make_sample_data import main

if __name__ == "__main__":
    run_main(main)
