#!/usr/bin/env python
"""Where an update's time goes: python tools/profile_step.py CONFIG [key=value ...] [--steps N]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.profile_step import main

if __name__ == "__main__":
    run_main(main)
