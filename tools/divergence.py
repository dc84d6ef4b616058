#!/usr/bin/env python
"""Feature divergence of two domains: python tools/divergence.py RUN --between SET SET."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.divergence import main

if __name__ == "__main__":
    run_main(main)
