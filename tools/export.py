#!/usr/bin/env python
"""Export a network as a graph: python tools/export.py RUN --output model.pt2."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.export import main

if __name__ == "__main__":
    run_main(main)
