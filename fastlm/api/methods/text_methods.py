"""The methods of a language model that write and measure text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from os import PathLike
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from fastlm.api.methods.state_methods import StateMethods
from fastlm.api.methods.texts import texts_of
from fastlm.checks import check_choice, check_whole
from fastlm.data.token_store import TokenStore
from fastlm.display.counting import text_counter
from fastlm.errors import ConfigError, TokenizerError
from fastlm.inference.cache import TokenCache
from fastlm.inference.conditions import SampleSettings, sampled_texts
from fastlm.inference.embeddings.neighbors import nearest_tokens
from fastlm.inference.evaluation import Evaluation, evaluate_store, evaluate_texts
from fastlm.inference.explanation import Explanation, explain_texts
from fastlm.inference.generation import DrawingSettings, Request
from fastlm.inference.prefixes import score_after, score_arrays_after
from fastlm.inference.scoring import BATCH_CHARS, Score, ScoreArrays, score_arrays, score_texts
from fastlm.model.layout import Layout
from fastlm.system.resources import thread_count
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import DOCUMENT_MODES, Documents

__all__ = ["TextMethods"]


class TextMethods(StateMethods):
    """Generation, evaluation and scoring, for a class that has a ``text_model``."""

    # ------------------------------------------------------------------------ generation

    def generate(
        self, prompt: str = "", length: int = 200, **settings: Unpack[DrawingSettings]
    ) -> str:
        """Continue ``prompt``; return the prompt as it is, followed by new text.

        ``<unk>`` is never chosen, nor what did not occur in training, nor what holds the end of a
        line or paragraph where that ends a document: the others are renormalised. Where the first
        token would end the text, another one is drawn: no document is empty.

        Parameters
        ----------
        prompt : str
            May be empty or shorter than the context: what would lie before it reads as boundary
            tokens (``<end>``) or, in a model without one, as tokens of id 0 (the space of the
            ``tiny`` tokenizer). What the vocabulary does not know becomes ``<unk>``. Where
            documents are lines or paragraphs, the model sees the prompt's last one.
        length : int, default 200
            The most new tokens.
        temperature : float, default 1.0
        top_k : int, optional
        top_p : float, optional
        greedy : bool, default False
            How tokens are chosen, applied in this order (see
            ``fastlm.inference.sampling.Sampling``): probabilities proportional to exp(logit /
            temperature), then the ``top_k`` most probable, then the fewest of these that have
            ``top_p`` of the probability. ``greedy`` (or temperature 0) takes the most probable
            token and needs no seed.
        seed : int, optional
            The same seed gives the same text; None gives another text every time.
        stop : str or several of them, optional
            The text ends before the first of these in the new text: the one that is complete
            first, and of those the longest.
        stop_at_end : bool, optional
            Whether the text ends where the model ends a document. Default: yes where documents
            are lines or paragraphs; if no, a new line or paragraph begins. Where a document is a
            file, the boundary token is never chosen, unless the model was trained on several
            ``texts`` in memory: then the default is yes.
        repetition_penalty : float, default 1.0
            X: the probability of a token that would repeat L tokens of the text is divided by
            X^L, before the temperature, with L of at most 32 (``fastlm.inference.repetition``).
        no_repeat : int, optional
            N: no run of N tokens comes twice. Either makes text more slowly.

        Raises
        ------
        ConfigError
            For a setting that is unknown or out of range.
        TokenizerError
            For a prompt that the tokenizer cannot encode: a model without ``<unk>`` takes only
            what is in its vocabulary.
        """
        return next(Request.make(self.text_model, prompt, {**settings, "length": length}).texts(1))

    def stream(
        self, prompt: str = "", length: int = 200, **settings: Unpack[DrawingSettings]
    ) -> Iterator[str]:
        """Like ``generate``, but yield the new text, without the prompt, in parts as it comes.

        A part comes as soon as no later token can change it, and never holds a part of a stop
        string. Joined, the parts after the prompt are what ``generate`` returns. Errors in the
        arguments are raised at the call. Tokens are chosen at most 20 ms ahead of the text.
        """
        return Request.make(self.text_model, prompt, {**settings, "length": length}).stream()

    def sample(
        self,
        n: int,
        prompt: str = "",
        *,
        threads: int | None = None,
        **settings: Unpack[SampleSettings],
    ) -> list[str]:
        """Return ``n`` texts like those of ``generate``; text k depends on the seed and k only.

        The first is what ``generate`` returns for the same seed. They are written side by side,
        which takes far less time than one after the other.

        Parameters
        ----------
        n : int
        prompt : str
        threads : int, optional
            None: FASTLM_THREADS, or the processors this process may use. The texts are the same
            for any number.
        new : bool
            Only texts none of whose lines was in the training text; the model must have been
            trained with ``remember=True``.
        unique : bool
            Only texts that differ from each other.
        min_chars, max_chars : int, optional
            The fewest and the most characters of a text, the prompt included.
        starts, contains : str
            What a text begins with, and what stands in it. A model of characters or bytes goes on
            from ``starts``; others draw until a text begins so.
        **settings
            Those of ``generate``.

        Raises
        ------
        SamplingError
            When 100 n tries, and at least 10,000, have not been enough: its ``texts`` are those
            that meet the conditions.
        """
        n = check_whole("the number of samples", n, 1)
        return list(sampled_texts(self.text_model, n, prompt, settings, thread_count(threads)))

    def samples(
        self,
        n: int | None = None,
        prompt: str = "",
        *,
        threads: int | None = None,
        **settings: Unpack[SampleSettings],
    ) -> Iterator[str]:
        """Yield the texts of ``sample`` one by one, without end for None, in constant memory.

        They are written in batches, small ones first, so that the first text comes soon. Without
        end they stop with a SamplingError once 10,000 in a row do not meet the conditions.
        """
        if n is not None:
            n = check_whole("the number of samples", n, 1)
        return sampled_texts(
            self.text_model, n, prompt, settings, thread_count(threads), first_batch=16
        )

    def neighbors(self, token: str, k: int = 10) -> list[tuple[str, float]]:
        """Return the k tokens with the nearest embeddings to a token, as (token, cosine).

        Raises
        ------
        ConfigError
            For text that is not one token of the vocabulary, and a model without a network.
        """
        model = self.text_model
        if not model.networks:
            raise ConfigError("a model of counts has no embeddings; use one with a network")
        network = model.networks[0]
        embeddings = Layout(network.config).views(network.params)["embeddings"]
        return nearest_tokens(model.tokenizer, embeddings, token, k)

    # ------------------------------------------------------------------------ measuring

    @overload  # a str is an iterable of str, too
    def perplexity(  # type: ignore[overload-overlap]
        self, text: str | PathLike[str] | TokenStore, threads: int | None = None
    ) -> float: ...

    @overload
    def perplexity(
        self, text: Iterable[str | PathLike[str]], threads: int | None = None
    ) -> NDArray[np.float64]: ...

    def perplexity(
        self,
        text: str | PathLike[str] | Iterable[str | PathLike[str]] | TokenStore,
        threads: int | None = None,
    ) -> float | NDArray[np.float64]:
        """Return exp of the mean negative log-likelihood per token: of one text, or of each.

        Parameters
        ----------
        text : str, path, several of them, or TokenStore
            As for ``evaluate``.
        threads : int, optional
            As for ``evaluate``.

        Returns
        -------
        float or float64[n]
            A number for one text, file or store. For n texts an array of theirs, as
            ``score_arrays`` has them: NaN for one without a token to predict. That of all of them
            together is ``evaluate(texts).perplexity``.

        Raises
        ------
        CorpusError, TextError, StoreError, TrainingError
            As ``evaluate``.
        """
        if isinstance(text, str | PathLike | TokenStore):
            return self.evaluate(text, threads).perplexity
        return self.score_arrays(text, threads=threads).perplexity

    def evaluate(
        self,
        text: str | PathLike[str] | Iterable[str | PathLike[str]] | TokenStore,
        threads: int | None = None,
        *,
        documents: Documents | None = None,
        cache: int | None = None,
    ) -> Evaluation:
        """Measure the model on one text or several, or on a whole token store.

        Each text is cut into documents, and each document counts by itself. Text is read as
        needed, in constant memory.

        Parameters
        ----------
        text : str, path, several of them, or TokenStore
            A str is text, a path object a file of text or a store. Of a store, the held-out part
            counts too, and the text that the cut goes through counts as two documents.
        threads : int, optional
            None: FASTLM_THREADS, or the processors this process may use. The figures are the same
            for any number.
        documents : {"file", "paragraphs", "lines", "stream"}, optional
            What a document is. Default: as in training (``self.documents``). A model of words
            knows "stream" only if it was trained so.
        cache : int, optional
            Also measure how well the model predicts together with the frequencies of the last
            ``cache`` tokens of the same document: ``perplexity_adaptive``. The other figures are
            the same with and without.

        Raises
        ------
        ConfigError
            For a cache out of range, or of a model without a boundary token.
        CorpusError
            For text in which there is nothing to predict.
        TextError
            For a text that is not a str or that the tokenizer cannot encode, with its index.
        StoreError
            For a store of another tokenizer or other documents, and one without boundary tokens.
        TrainingError
            When the losses are not finite.
        """
        model = self.text_model
        if documents is not None:
            check_choice("documents", documents, DOCUMENT_MODES)
            TokenizerSpec.of(model.tokenizer).for_documents(documents)
            model = replace(model, documents=documents)
        tokens = None if cache is None else TokenCache(model, cache)
        if isinstance(text, PathLike):
            from fastlm.data.dataset import corpus_store

            text = corpus_store(text) or text
        if isinstance(text, TokenStore):
            return evaluate_store(model, text, threads=thread_count(threads), cache=tokens)
        texts = texts_of(text, TokenizerError)
        return evaluate_texts(model, texts, threads=thread_count(threads), cache=tokens)

    def score(
        self,
        texts: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        prefixes: str | Iterable[str] | None = None,
        return_tokens: bool = False,
        count_end: bool | None = None,
        batch_chars: int = BATCH_CHARS,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> Iterator[Score]:
        r"""Yield one ``fastlm.Score`` for each text, in order, in constant memory.

        A text is one document, or, where the model's documents are lines or paragraphs, as many
        as ``evaluate`` finds in it; without any (being empty or white space) it is one as it
        stands. Line ends read as \n. A text may be empty, or longer than memory would hold as
        tokens.

        Parameters
        ----------
        texts : str, path, or iterable of them
            Read as needed: up to ``batch_chars`` characters ahead of the results. One str is one
            text. A path object is a file: one text, or of JSON lines one for each line.
        prefixes : str or iterable of str, optional
            What comes before each text, or before all of them: the scores are of
            ln p(text | prefix), the difference between prefix + text and the prefix, whose end
            does not count. Tokens are those of prefix + text. Where the prefix's own tokens are
            not among them, as those of a word cut in two, ``log_prob`` is this difference still,
            and may be above 0; its tokens begin with the first that differs. Of lines or
            paragraphs the prefix's last one counts, as in ``generate``.
        return_tokens : bool
            Whether to add the tokens that count and the log-probability of each.
        count_end : bool, optional
            Whether the boundary token (``<end>``) of each document counts. Default: as in
            ``evaluate``, yes where documents are lines or paragraphs, no where they are files.
        batch_chars : int
            Characters scored at a time, about. The results do not depend on it; with 1 they come
            text by text.
        threads : int, optional
            None: FASTLM_THREADS, or the processors this process may use. The results do not depend
            on it. In one of several worker processes, 1 is best.
        progress : bool, optional
            Whether to show how many texts are done; see ``fastlm.train``.

        Raises
        ------
        ConfigError
            At the call, for a setting out of range.
        TextError
            For a text or prefix that is not a str or that the tokenizer cannot encode, with its
            index, after the scores of the texts before it.
        """
        several = texts_of(texts, TokenizerError)
        counter = text_counter(several, progress)
        several = several if counter is None else counter.count(several)
        how: dict[str, Any] = {
            "return_tokens": return_tokens,
            "count_end": count_end,
            "batch_chars": batch_chars,
            "threads": thread_count(threads),
        }
        if prefixes is None:
            scores = score_texts(self.text_model, several, **how)
        else:
            scores = score_after(self.text_model, several, prefixes, **how)
        return scores if counter is None else counter.follow(scores)

    def score_arrays(
        self,
        texts: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        prefixes: str | Iterable[str] | None = None,
        count_end: bool | None = None,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> ScoreArrays:
        """Return the scores of ``score`` as NumPy arrays, an element per text (``ScoreArrays``)."""
        several = texts_of(texts, TokenizerError)
        counter = text_counter(several, progress)
        how: dict[str, Any] = {"count_end": count_end, "threads": thread_count(threads)}
        try:
            given = several if counter is None else counter.count(several)
            if prefixes is None:
                return score_arrays(self.text_model, given, **how)
            return score_arrays_after(self.text_model, given, prefixes, **how)
        finally:
            if counter is not None:
                counter.close()

    @overload  # a str is an iterable of str, too
    def explain(  # type: ignore[overload-overlap]
        self, texts: str, *, count_end: bool | None = None, threads: int | None = None
    ) -> Explanation: ...

    @overload
    def explain(
        self,
        texts: PathLike[str] | Iterable[str | PathLike[str]],
        *,
        count_end: bool | None = None,
        threads: int | None = None,
    ) -> Iterator[Explanation]: ...

    def explain(
        self,
        texts: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        count_end: bool | None = None,
        threads: int | None = None,
    ) -> Explanation | Iterator[Explanation]:
        """Return a text with the bits that each part of it took; of several, yield one for each.

        ``spans`` has the parts and where they are, ``to_dict`` the same for JSON, ``to_html`` and
        ``to_svg`` as a page and a picture. Parameters and errors are those of ``score``.
        """
        several = [texts] if isinstance(texts, str) else texts_of(texts, TokenizerError)
        found = explain_texts(self.text_model, several, count_end, thread_count(threads))
        return next(found) if isinstance(texts, str) else found
