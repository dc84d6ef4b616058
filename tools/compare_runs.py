#!/usr/bin/env python
"""Compare scored runs: python tools/compare_runs.py A.json B.json [--plot FILE.png]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.compare_runs import main

if __name__ == "__main__":
    run_main(main)
