"""What occurred in training, as far as generation has to know it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ModelFileError

__all__ = ["Seen"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What occurred in training: what did not is never generated.

    Attributes
    ----------
    tokens : bool[V] or None
        Which tokens occurred. None: all, or not known (files of older versions).
    ends : bool
        Whether documents are files, but were several texts in memory or records of a file (JSON
        lines, rows): short ones, most likely, so that a text may end where the model ends one.
    """

    tokens: NDArray[np.bool_] | None = None
    ends: bool = False

    @classmethod
    def of(cls, counts: NDArray[np.integer[Any]], boundary: int | None, *, are_texts: bool) -> Seen:
        """Return what training text has; see ``Seen``.

        Parameters
        ----------
        counts : int[V]
            How often each token occurs.
        boundary : int, optional
            The id of the boundary token (``<end>``).
        are_texts : bool
            Whether these are texts in memory or records, and documents are files.
        """
        ends = are_texts and boundary is not None and bool(counts[boundary] > 1)
        return cls(counts > 0, ends)

    def with_more(self, more: Seen) -> Seen:
        """Return what occurred here or in further training."""
        known = self.tokens is not None and more.tokens is not None
        return Seen(self.tokens | more.tokens if known else None, self.ends or more.ends)  # type: ignore[operator]

    @property
    def unseen_ids(self) -> list[int]:
        """The ids that did not occur, as far as is known."""
        return [] if self.tokens is None else np.flatnonzero(~self.tokens).tolist()

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of a file's metadata: ``seen``, a bit for each id, and ``ends``.

        Keys that say nothing are left out. The bits are in base 64, id 0 in the highest bit of the
        first byte.
        """
        form: dict[str, Any] = {}
        if self.tokens is not None and not self.tokens.all():
            form["seen"] = b64encode(np.packbits(self.tokens).tobytes()).decode("ascii")
        if self.ends:
            form["ends"] = True
        return form

    @classmethod
    def from_dict(cls, metadata: Mapping[str, Any], vocab: int) -> Seen:
        """Read the keys of a file's metadata.

        Raises
        ------
        ModelFileError
            For what ``to_dict`` does not give for a vocabulary of this size.
        """
        text, ends = metadata.get("seen"), metadata.get("ends", False)
        if not isinstance(ends, bool):
            raise ModelFileError("its ends is not true or false")
        if text is None:
            return cls(None, ends)
        try:
            data = b64decode(text, validate=True)
        except (TypeError, ValueError):
            raise ModelFileError("its seen is not text in base 64") from None
        if len(data) != -(-vocab // 8):
            raise ModelFileError(f"its seen has {len(data)} bytes for a vocabulary of {vocab}")
        bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=vocab)
        return cls(bits.astype(np.bool_), ends)
