#!/usr/bin/env python
"""How runs bear changes of appearance: python tools/appearance.py RUN [RUN ...] --output DIR."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.appearance import main

if __name__ == "__main__":
    run_main(main)
