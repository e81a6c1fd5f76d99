"""``python -m sb3_ac_ext``."""

import sys

from sb3_ac_ext.cli import main

if __name__ == "__main__":
    sys.exit(main())
