#!/usr/bin/env python
"""Predict a folder of frames: python tools/predict.py RUN --images DIR --output DIR."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.predict import main

if __name__ == "__main__":
    run_main(main)
