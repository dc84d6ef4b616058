#!/usr/bin/env python
"""Fine-tune networks on shares of a target: one table, one chart."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.fine_tune import main

if __name__ == "__main__":
    run_main(main)
