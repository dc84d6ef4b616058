#!/usr/bin/env python
"""Render result tables: python tools/results_table.py README.md [--check]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.results_table import main

if __name__ == "__main__":
    run_main(main)
