#!/usr/bin/env python
"""The main job on sample data: paint, train none, IBN-a and IBN-b, compare across looks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.demo import main

if __name__ == "__main__":
    run_main(main)
