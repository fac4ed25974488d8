"""A cache of a document's recent tokens, which makes scores adaptive."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ConfigError
from fastlm.inference.text_model import TextModel
from fastlm.limits import check_setting
from fastlm_kernels.counts.caching import TokenWindow, cache_losses

__all__ = ["TokenCache"]


class TokenCache:
    """Mixes a model's probabilities with the frequencies of the tokens before, in order.

    p = (1 - w) p_model + w c / n, where c of the document's last n tokens are the same, n at most
    ``size``. The weight w begins at 0.05 and follows from the document's tokens before. A document
    begins with an empty cache.

    Parameters
    ----------
    model : TextModel
        With a boundary token, which ends documents.
    size : int
        The most tokens of the cache.

    Raises
    ------
    ConfigError
        For a size out of range, and for a model without a boundary token.
    """

    def __init__(self, model: TextModel, size: int) -> None:
        boundary = model.tokenizer.boundary_id
        if boundary is None:
            raise ConfigError(
                "cache is given, but this model has no boundary token to tell documents apart; "
                "leave it out"
            )
        self._boundary = boundary
        self._window = TokenWindow(
            ring=np.zeros(check_setting("cache", size), dtype=np.int32),
            counts=np.zeros(model.tokenizer.vocab_size, dtype=np.int64),
            state=np.zeros(2),
        )

    def losses(self, losses: NDArray[np.float64], ids: NDArray[Any]) -> NDArray[np.float64]:
        """Return the adaptive losses of the next tokens, float64[T], and remember the tokens.

        losses : float64[T], -ln p of the model, in nats
        ids : int[T], boundary tokens included
        """
        adaptive = np.empty(losses.size)
        cache_losses(
            adaptive,
            np.ascontiguousarray(losses),
            ids.astype(np.int32),
            self._window,
            self._boundary,
        )
        return adaptive
