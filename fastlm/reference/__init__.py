"""The two systems fastlm grew from, each complete in one file that a learner can read and run.

``tiny``: characters, pure Python (``python -m fastlm.reference.tiny``).
``mini``: words, NumPy (``python -m fastlm.reference.mini``).
"""

import sys

# Python calls itself "-m" while it looks for the module to run: the arguments of a program that
# imports this package are not meant.
if sys.argv[:1] == ["-m"] and len(sys.argv) > 1:
    sys.exit("it takes no arguments; for text of yours: fastlm train FILE --preset tiny (or mini)")
