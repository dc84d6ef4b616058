"""``python -m segibn VERB ...``, the same as ``segibn VERB ...``."""

from segibn.cli.main import console_script

if __name__ == "__main__":
    console_script()
