"""A model for EleutherAI's lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlm.api.language_model import LanguageModel
from fastlm.checks import check_whole
from fastlm.errors import MissingLibraryError
from fastlm.inference.states import Stepper
from fastlm.pipelines.loaded import absolute_path, loaded_model
from fastlm.text.documents import last_document
from fastlm.types import FilePath
from fastlm.wording import install

__all__ = ["HarnessMethods", "harness_class", "harness_model"]

_NEW_TOKENS = 256
"""The most new tokens of a text, where a task does not say."""


class HarnessMethods:
    """What the harness asks of a model; requests are its ``Instance`` objects.

    Parameters
    ----------
    model : path or LanguageModel
    threads : int, optional
    max_gen_toks : int
        The most new tokens of a text, where a task does not say.
    seed : int
        Of texts that are drawn, where a task asks for that.
    """

    def __init__(
        self,
        model: FilePath | LanguageModel,
        threads: int | None = None,
        max_gen_toks: int = _NEW_TOKENS,
        seed: int = 0,
    ) -> None:
        super().__init__()
        named = not isinstance(model, LanguageModel)
        self.model: LanguageModel = loaded_model(absolute_path(model)) if named else model  # type: ignore[arg-type, assignment]
        self.threads = threads
        self.max_gen_toks = check_whole("max_gen_toks", max_gen_toks, 1)
        self.seed = seed

    @property
    def tokenizer_name(self) -> str:
        """What tells tokenizers apart."""
        return self.model.tokenizer.description

    def loglikelihood(
        self, requests: Sequence[Any], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Return (ln p(continuation | context), whether each of its tokens is the likeliest).

        The end of the continuation does not count.
        """
        pairs = [tuple(request.args) for request in requests]
        scores = self.model.score_arrays(
            [continuation for _, continuation in pairs],
            prefixes=[context for context, _ in pairs],
            count_end=False,
            threads=self.threads,
            progress=False,
        )
        stepper = Stepper(self.model.text_model)
        found = [
            (log_prob, self._is_likeliest(stepper, *pair))
            for log_prob, pair in zip(scores.log_prob.tolist(), pairs, strict=True)
        ]
        self._keep("loglikelihood", pairs, found)
        return found

    def loglikelihood_rolling(
        self, requests: Sequence[Any], disable_tqdm: bool = False
    ) -> list[float]:
        """Return ln p of each text, all of it; its end does not count."""
        pairs = [tuple(request.args) for request in requests]
        scores = self.model.score_arrays(
            [text for (text, *_) in pairs], count_end=False, threads=self.threads, progress=False
        )
        found: list[float] = scores.log_prob.tolist()
        self._keep("loglikelihood_rolling", pairs, found)
        return found

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return what follows each context, up to the texts of ``until``.

        The likeliest token is taken unless ``do_sample`` is set; ``temperature``, ``top_k``,
        ``top_p`` and ``max_gen_toks`` mean what they do in ``LanguageModel.generate``.
        """
        found = []
        for request in requests:
            context, asked = request.args
            until = asked.get("until") or ()
            settings: dict[str, Any] = {
                "length": asked.get("max_gen_toks", self.max_gen_toks),
                "stop": [until] if isinstance(until, str) else list(until) or None,
                "greedy": not asked.get("do_sample", False),
            }
            if not settings["greedy"]:
                settings["seed"] = self.seed
                settings |= {
                    name: asked[name] for name in ("temperature", "top_k", "top_p") if name in asked
                }
            text = self.model.generate(context, **settings)
            found.append(text[len(context) :])
        self._keep("generate_until", [tuple(request.args) for request in requests], found)
        return found

    def _is_likeliest(self, stepper: Stepper, context: str, continuation: str) -> bool:
        """Tell whether each token after the context is the likeliest one."""
        tokenizer = self.model.tokenizer
        seen = last_document(context, self.model.documents)
        before = tokenizer.encode(seen).tolist()
        ids = tokenizer.encode(seen + continuation).tolist()
        same = 0
        while same < min(len(before), len(ids)) and before[same] == ids[same]:
            same += 1
        state = stepper.start(ids[:same])
        for id in ids[same:]:
            if int(stepper.log_probs(state).argmax()) != id:
                return False
            state = stepper.after(state, id)
        return True

    def _keep(self, method: str, arguments: list[Any], results: Sequence[Any]) -> None:
        """Give the harness its cache of results."""
        hook = getattr(self, "cache_hook", None)
        if hook is not None:
            for each, result in zip(arguments, results, strict=True):
                hook.add_partial(method, each, result)


def harness_class(base: type) -> type:
    """Return the class of models, which is also of the harness's base class ``LM``."""
    return type("FastlmModel", (HarnessMethods, base), {})


def harness_model(model: FilePath | LanguageModel, **settings: Any) -> Any:
    """Return a model as ``lm_eval.simple_evaluate(model=...)`` takes it.

    Parameters
    ----------
    model : path or LanguageModel
    **settings
        Those of ``HarnessMethods``.

    Raises
    ------
    MissingLibraryError
        Without lm-eval.
    """
    try:
        from lm_eval.api.model import LM
    except ImportError:
        raise MissingLibraryError(
            f"this needs the package lm-eval; install it with: {install('lm-eval')}"
        ) from None
    return harness_class(LM)(model, **settings)
