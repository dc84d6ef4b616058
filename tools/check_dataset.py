#!/usr/bin/env python
"""Check a data set: python tools/check_dataset.py NAME [--split SPLIT] [--datasets DIR]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.check import main

if __name__ == "__main__":
    run_main(main)
