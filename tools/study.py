#!/usr/bin/env python
"""Train several configs with several seeds and score all of them: one table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.study import main

if __name__ == "__main__":
    run_main(main)
