#!/usr/bin/env python
"""Score runs on several domains: python tools/cross_domain.py RUN [RUN ...] --on SET [SET ...]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.cross_domain import main

if __name__ == "__main__":
    run_main(main)
