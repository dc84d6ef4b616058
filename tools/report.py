#!/usr/bin/env python
"""Write a report as one HTML page: python tools/report.py RUN_OR_JSON ... --output report.html."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.report import main

if __name__ == "__main__":
    run_main(main)
