"""The two systems fastlm grew from, each complete in one file that a learner can read and run.

``tiny``: characters, pure Python (``python -m fastlm.reference.tiny``).
``mini``: words, NumPy (``python -m fastlm.reference.mini``).
"""
