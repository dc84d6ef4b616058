#!/usr/bin/env python
"""Convert checkpoints: python tools/convert_checkpoint.py FILE --output OUT."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.cli.convert_checkpoint import main

if __name__ == "__main__":
    run_main(main)
