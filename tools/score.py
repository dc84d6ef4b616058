#!/usr/bin/env python
"""Score label maps: python tools/score.py {semseg,drivable} --target DIR --pred DIR [--json]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.score import main

if __name__ == "__main__":
    run_main(main)
