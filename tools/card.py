#!/usr/bin/env python
"""Write a model card: python tools/card.py RUN [--scores FILE.json ...] --output FILE.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.card import main

if __name__ == "__main__":
    run_main(main)
