#!/usr/bin/env python
"""Check a submission: python tools/validate_submission.py ZIP --format FORMAT [--labels DIR]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.validate_submission import main

if __name__ == "__main__":
    run_main(main)
