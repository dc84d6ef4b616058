#!/usr/bin/env python
"""Score networks in several ways: python tools/compare_inference.py RUN --on SET --recipes FILE."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.compare_inference import main

if __name__ == "__main__":
    run_main(main)
