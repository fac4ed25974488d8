"""What a run that prints nothing prints nevertheless."""

from __future__ import annotations

import sys

from fastlm.events import Callback, Notice

__all__ = ["QuietNotices"]


class QuietNotices(Callback):
    """Warnings on standard error: training went back, or a file cannot be written."""

    def on_notice(self, notice: Notice) -> None:
        if notice.kind != "finished":
            print("warning:", notice.message, file=sys.stderr)
