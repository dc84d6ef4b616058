#!/usr/bin/env python
"""Train twice, once killed and resumed: python tools/soak.py [CONFIG] [--set key=value ...]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.soak import main

if __name__ == "__main__":
    run_main(main)
