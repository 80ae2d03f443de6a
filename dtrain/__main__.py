"""`python -m dtrain`: the command line."""

import sys

from dtrain.cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
