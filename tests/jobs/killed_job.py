"""A scoring job with small blocks that is committed at every one, for a test that kills it."""

from __future__ import annotations

import sys

from fastlm.cli import main
from fastlm.jobs import job
from fastlm.text import records, tables

if __name__ == "__main__":
    records.MOST_ROWS = tables.MOST_ROWS = 20
    job._COMMIT_SECONDS = 0.0
    job._UNIT_BLOCKS = 2
    sys.exit(main(sys.argv[1:]))
