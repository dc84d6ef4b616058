#!/usr/bin/env python
"""Write a submission: python tools/make_submission.py wad RUN --images DIR --output FILE.zip."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.submit import main

if __name__ == "__main__":
    run_main(main)
