"""Mini: a language model of words, in NumPy.

Mini predicts the next word from the C words before it. What it adds to a plain table of counts is
that words are vectors, so that what it learns about one word helps with similar ones.

1. `TextPreprocessor` gives every word an id and slides a window over the text: C words are a
   *context*, the word after them is the *target*.
2. `MiniNeuralLM` looks up the *embedding* of each context word and lays the C embeddings side by
   side, so that, unlike a mean, it keeps the order of the words.
3. One or two *hidden layers* mix them. `max(0, ·)` between the layers (ReLU) is what makes a second
   layer worth having: without it, two matrices in a row are no more than one.
4. A last matrix gives one *score* per word, and softmax turns scores into probabilities.
5. `backward` walks the same way back and finds the gradient of the loss for every weight;
   `update_params` follows it, smoothed over the recent steps by *momentum*.
6. `generate` draws a word from the predicted probabilities, appends it, and slides the window on.

In formulas, for the words i₁ … i_C of a context:

    x      = concat(embedding[i₁], …, embedding[i_C])
    h₁     = max(0, W1·x + b1)              then dropout, in training
    h₂     = max(0, W1_5·h₁ + b1_5)         then dropout; only with a second hidden layer
    scores = W2·h + b2                      where h is the last hidden layer
    probs  = softmax(scores)
    loss   = -log probs[target]             in nats

Letters used below: V words in the vocabulary, E numbers in an embedding, C words in a context,
H1 and H2 widths of the hidden layers, H the last of them, B examples in a batch.

Run it with `python -m fastlm.reference.mini`, or with a text of yours:
`python -m fastlm.reference.mini FILE`.
"""

import re
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class TextPreprocessor:
    """Words to ids and back.

    The vocabulary is every word of `text`, the most frequent first (id 0), equally frequent ones in
    alphabetical order. Upper case is read as lower case. A word is a run of letters, digits and
    underscores; every other visible character is a word of its own, so "Don't go!" is
    don ' t go !.

    ValueError if the text has no word.
    """

    def __init__(self, text: str) -> None:
        counts: dict[str, int] = {}
        for word in self.split(text):
            counts[word] = counts.get(word, 0) + 1
        if not counts:
            raise ValueError(
                f"the text has {len(text)} characters and no word: give a text with at least 1 word"
            )
        self.vocabulary: list[str] = sorted(counts, key=lambda word: (-counts[word], word))
        self.word_to_index: dict[str, int] = {word: i for i, word in enumerate(self.vocabulary)}

    @staticmethod
    def split(text: str) -> list[str]:
        """Cut text into lower-case words and single other characters."""
        return re.findall(r"\w+|[^\w\s]", text.lower())

    def text_to_indices(self, text: str) -> list[int]:
        """Turn text into ids; ValueError if a word is not in the vocabulary."""
        words = self.split(text)
        for word in words:
            if word not in self.word_to_index:
                raise ValueError(
                    f"the word {word!r} is not among the {len(self.vocabulary)} words of the "
                    f"vocabulary: leave it out, or build the vocabulary from a text that has it"
                )
        return [self.word_to_index[word] for word in words]

    def indices_to_text(self, indices: list[int] | Array) -> str:
        """Turn ids back into words with a space between; ValueError for ids outside 0..V-1."""
        check_ids(np.asarray(indices), len(self.vocabulary))
        return " ".join(self.vocabulary[i] for i in indices)

    @staticmethod
    def create_training_data(indices: list[int] | Array, context_size: int) -> tuple[Array, Array]:
        """Slide a window over the text: each C ids, and the id that follows them.

        Returns
        -------
        contexts : int[n, C], where n is the number of ids less C
        targets : int[n]

        ValueError if the text is too short for one example.
        """
        if context_size < 1:
            raise ValueError(f"context_size is {context_size}: a context has at least 1 word")
        n = len(indices) - context_size
        if n < 1:
            raise ValueError(
                f"the text has {len(indices)} words, but a context of {context_size} and the word "
                f"after it need {context_size + 1}: give a longer text or a smaller context_size"
            )
        contexts = np.array([indices[start : start + context_size] for start in range(n)])
        targets = np.array(indices[context_size:])
        return contexts, targets


class MiniNeuralLM:
    """A feed-forward language model with one or two hidden layers.

    Parameters
    ----------
    vocab_size, embed_size, context_size, hidden_size : V, E, C and H1
    hidden_size_2 : H2, the width of a second hidden layer; None for one hidden layer
    dropout : the share of hidden units that is switched off at each training step, 0 <= p < 1
    learning_rate, momentum : lr and beta of `update_params`
    seed : where all randomness of this model starts: weights, dropout, shuffling, sampling
    dtype : of parameters and computation, float64 or float32

    Attributes
    ----------
    params : every weight by name. Weight matrices are stored (fan_out, fan_in), as in W·x:
        embeddings [V, E], W1 [H1, C*E], b1 [H1], W1_5 [H2, H1], b1_5 [H2], W2 [V, H], b2 [V];
        W1_5 and b1_5 exist only with a second hidden layer. `model.W1` is `model.params["W1"]`, and
        so for all of them.
    momenta : the running mean of each parameter's gradients, same names and shapes
    """

    def __init__(
        self,
        vocab_size: int,
        embed_size: int = 64,
        context_size: int = 4,
        hidden_size: int = 128,
        hidden_size_2: int | None = None,
        dropout: float = 0.0,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        seed: int = 0,
        dtype: Any = np.float64,
    ) -> None:
        sizes = {
            "vocab_size": vocab_size,
            "embed_size": embed_size,
            "context_size": context_size,
            "hidden_size": hidden_size,
            "hidden_size_2": 1 if hidden_size_2 is None else hidden_size_2,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} is {size}: it must be at least 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}: it must be at least 0 and below 1")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}: it must be at least 0 and below 1")
        if not 0 < learning_rate < np.inf:
            raise ValueError(f"learning_rate is {learning_rate}: it must be above 0 and finite")

        self.vocab_size = vocab_size
        self.context_size = context_size
        self.has_second_layer = hidden_size_2 is not None
        self.dropout = float(dropout)
        self.learning_rate = float(learning_rate)
        self.momentum = float(momentum)
        self.dtype = np.dtype(dtype)
        self.rng = np.random.default_rng(seed)

        last_size = hidden_size if hidden_size_2 is None else hidden_size_2
        self.params: dict[str, Array] = {}
        self.params["embeddings"] = self.random_weights(vocab_size, embed_size)
        self.params["W1"] = self.random_weights(hidden_size, context_size * embed_size)
        self.params["b1"] = np.zeros(hidden_size, self.dtype)
        if hidden_size_2 is not None:
            self.params["W1_5"] = self.random_weights(hidden_size_2, hidden_size)
            self.params["b1_5"] = np.zeros(hidden_size_2, self.dtype)
        self.params["W2"] = self.random_weights(vocab_size, last_size)
        self.params["b2"] = np.zeros(vocab_size, self.dtype)
        self.momenta = {name: np.zeros_like(value) for name, value in self.params.items()}

    def __getattr__(self, name: str) -> Array:
        """Find a weight by its name; Python asks here for what is no ordinary attribute."""
        params: dict[str, Array] = self.__dict__.get("params", {})
        if name in params:
            return params[name]
        raise AttributeError(f"no attribute {name!r}; the weights are {', '.join(params)}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Let `model.W1 = ...` change the weights, not hide them."""
        if name in self.__dict__.get("params", {}):
            self.params[name][...] = value
        else:
            super().__setattr__(name, value)

    def random_weights(self, rows: int, columns: int) -> Array:
        """Draw randn · sqrt(2 / (fan_in + fan_out)).

        That spread keeps the numbers about equally large from layer to layer, on the way forward
        and on the way back (Glorot and Bengio 2010, "Understanding the difficulty of training deep
        feedforward neural networks", equation 12).
        """
        spread = np.sqrt(2.0 / (rows + columns))
        weights: Array = self.rng.standard_normal((rows, columns)) * spread
        return weights.astype(self.dtype)

    def count_parameters(self) -> int:
        """Count the numbers that training may change."""
        return sum(value.size for value in self.params.values())

    def dropout_mask(self, shape: tuple[int, ...]) -> Array:
        """Draw 0 for a unit that is switched off, 1/(1-p) for one that stays.

        Kept units count for more, so that the layer above sees the same sum on average, and nothing
        has to be rescaled when dropout is off.
        """
        kept: Array = self.rng.random(shape) >= self.dropout
        return kept.astype(self.dtype) / (1.0 - self.dropout)

    def forward(
        self, context: list[int] | Array, training: bool = False
    ) -> tuple[Array, dict[str, Array]]:
        """Predict the next word.

        `x @ W.T` is W·x for one vector x, and does the same for each row when x holds a batch of
        them: one line of code for both.

        Parameters
        ----------
        context : int[C], one context; or int[B, C], a batch of them
        training : whether dropout switches hidden units off

        Returns
        -------
        probs : float[V], or float[B, V] for a batch
        cache : what `backward` needs to know of this pass

        ValueError if the context has the wrong length or an id outside 0..V-1.
        """
        p = self.params
        one_or_many = np.asarray(context)
        if one_or_many.ndim not in (1, 2) or one_or_many.shape[-1] != self.context_size:
            raise ValueError(
                f"the context has shape {one_or_many.shape}, but this model reads "
                f"{self.context_size} words: give [{self.context_size}] ids, or "
                f"[B, {self.context_size}] for a batch"
            )
        check_ids(one_or_many, self.vocab_size)
        contexts = np.atleast_2d(one_or_many)

        x = p["embeddings"][contexts].reshape(len(contexts), -1)  # [B, C*E]: side by side
        h1 = np.maximum(0, x @ p["W1"].T + p["b1"])
        cache = {"contexts": contexts, "x": x}
        if training and self.dropout > 0:
            cache["mask1"] = self.dropout_mask(h1.shape)
            h1 = h1 * cache["mask1"]
        h = cache["h1"] = h1

        if self.has_second_layer:
            h2 = np.maximum(0, h1 @ p["W1_5"].T + p["b1_5"])
            if training and self.dropout > 0:
                cache["mask2"] = self.dropout_mask(h2.shape)
                h2 = h2 * cache["mask2"]
            h = cache["h2"] = h2

        cache["scores"] = h @ p["W2"].T + p["b2"]
        probs = softmax(cache["scores"])
        return probs.reshape(*one_or_many.shape[:-1], self.vocab_size), cache

    def backward(
        self, probs: Array, target: int | Array, cache: dict[str, Array]
    ) -> dict[str, Array]:
        """Find the gradient of the loss (of a batch: the mean loss) for every parameter.

        It is the chain rule, taken from the last line of `forward` to the first:

        - softmax and -log together: d_scores = probs, less 1 at the target.
        - through y = W·x + b: d_W = d_y ⊗ x, d_b = d_y, d_x = Wᵀ·d_y. For a batch, `d_y.T @ x`
          is the sum of the examples' outer products.
        - through max(0, ·): the gradient passes where the unit was above 0. A unit that dropout
          switched off passes none; a unit it kept passes 1/(1-p) as much, as on the way forward.
        - into the embeddings: each word gets the part of d_x at its place in the context; a word
          that occurs twice gets both.

        Parameters
        ----------
        probs, cache : what `forward` returned
        target : int, or int[B] for a batch

        Returns
        -------
        grads : the names and shapes of `params`
        """
        p = self.params
        contexts = cache["contexts"]
        targets = np.atleast_1d(np.asarray(target))
        check_targets(targets, len(contexts), self.vocab_size)

        grads: dict[str, Array] = {}
        d_scores = probs.reshape(len(contexts), -1).copy()
        d_scores[np.arange(len(targets)), targets] -= 1
        d_scores /= len(targets)

        h = cache["h2"] if self.has_second_layer else cache["h1"]
        grads["W2"] = d_scores.T @ h
        grads["b2"] = d_scores.sum(axis=0)
        d_h = d_scores @ p["W2"]

        if self.has_second_layer:
            d_h2 = d_h * (cache["h2"] > 0)
            if "mask2" in cache:
                d_h2 *= cache["mask2"]
            grads["W1_5"] = d_h2.T @ cache["h1"]
            grads["b1_5"] = d_h2.sum(axis=0)
            d_h = d_h2 @ p["W1_5"]

        d_h1 = d_h * (cache["h1"] > 0)
        if "mask1" in cache:
            d_h1 *= cache["mask1"]
        grads["W1"] = d_h1.T @ cache["x"]
        grads["b1"] = d_h1.sum(axis=0)
        d_x = d_h1 @ p["W1"]

        grads["embeddings"] = np.zeros_like(p["embeddings"])
        # `embeddings[contexts] += d_x` would count a word once, however often it occurs.
        np.add.at(grads["embeddings"], contexts, d_x.reshape(*contexts.shape, -1))
        return grads

    def update_params(self, grads: dict[str, Array]) -> None:
        """Take one step downhill, in place, for every parameter.

            momentum = beta * momentum + (1 - beta) * gradient
            W = W - lr * momentum

        The momentum is a running mean of the gradients: what they have in common adds up, their
        noise cancels. Words that did not occur move too, as long as their momentum lasts.
        """
        beta = self.momentum
        for name, weights in self.params.items():
            self.momenta[name] = beta * self.momenta[name] + (1 - beta) * grads[name]
            weights -= self.learning_rate * self.momenta[name]

    def train(
        self,
        contexts: list[list[int]] | Array,
        targets: list[int] | Array,
        epochs: int,
        batch_size: int = 1,
        shuffle: bool = True,
        print_every: int = 0,
    ) -> list[float]:
        """Learn from all examples `epochs` times.

        Parameters
        ----------
        contexts, targets : int[n, C] and int[n], from `TextPreprocessor.create_training_data`
        batch_size : examples per step; 1 means a step after every example
        shuffle : whether every epoch takes the examples in a new random order
        print_every : print the average loss every so many epochs; 0 for never

        Returns
        -------
        The loss history: for each epoch the average over its examples, each taken just before the
        model learnt from it, with dropout on.
        """
        contexts, targets = np.asarray(contexts), np.asarray(targets)
        n = len(targets)
        if n == 0 or n != len(contexts):
            raise ValueError(
                f"{len(contexts)} contexts and {n} targets: give equally many, at least 1"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
        history = []
        for epoch in range(1, epochs + 1):
            order = self.rng.permutation(n) if shuffle else np.arange(n)
            total = 0.0
            for start in range(0, n, batch_size):
                batch = order[start : start + batch_size]
                probs, cache = self.forward(contexts[batch], training=True)
                total += cross_entropy_loss(probs, targets[batch]) * len(batch)
                self.update_params(self.backward(probs, targets[batch], cache))
            history.append(total / n)
            if print_every and epoch % print_every == 0:
                print(f"Epoch {epoch}/{epochs}, Average Loss: {history[-1]:.4f}", flush=True)
        return history

    def perplexity(self, contexts: Array, targets: Array) -> float:
        """Between how many equally likely words the model hesitates: exp(mean loss), dropout off.

        1 is certainty; V is an even guess among all words.
        """
        probs, _ = self.forward(contexts)
        return float(np.exp(cross_entropy_loss(probs, targets)))

    def next_word_distribution(self, context: list[int] | Array, temperature: float = 1.0) -> Array:
        """Predict the next word with softmax(scores / temperature): float64[V].

        1 is the prediction itself. Below 1 the likely words gain: near 0 the likeliest takes all.
        Above 1 the unlikely ones do. ValueError unless the temperature is above 0.
        """
        if not temperature > 0:
            raise ValueError(
                f"temperature is {temperature}: it must be above 0; a small one such as 0.01 is "
                f"almost greedy"
            )
        _, cache = self.forward(np.reshape(context, -1))
        # In float64 whatever the model's dtype: sampling wants a sum of 1 to more than 7 digits.
        scores = cache["scores"][0].astype(np.float64)
        # Divided by a tiny temperature, a lower score may become -inf: a probability of 0, as it
        # should be. The largest stays 0.
        with np.errstate(over="ignore"):
            return softmax((scores - scores.max()) / temperature)

    def generate(
        self,
        prompt: list[int] | Array,
        length: int,
        temperature: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> list[int]:
        """Continue the prompt by `length` words drawn from the predicted distribution.

        Each word is predicted from the last C, then joins them: the window slides.

        Parameters
        ----------
        prompt : at least C ids, from `TextPreprocessor.text_to_indices`
        temperature : see `next_word_distribution`
        rng : source of the draws; the model's own if None

        Returns
        -------
        The ids of the prompt and of its continuation.

        ValueError for an empty prompt, one shorter than the context, or a temperature of 0 or less.
        """
        if len(prompt) == 0:
            raise ValueError(
                f"the prompt is empty: give at least {self.context_size} words to continue"
            )
        if len(prompt) < self.context_size:
            raise ValueError(
                f"the prompt has {len(prompt)} words, but the context of this model is "
                f"{self.context_size}: give at least {self.context_size} words"
            )
        if length < 0:
            raise ValueError(f"length is {length}: ask for 0 or more words")
        check_ids(np.asarray(prompt), self.vocab_size)
        rng = self.rng if rng is None else rng
        ids = [int(i) for i in prompt]
        for _ in range(length):
            probs = self.next_word_distribution(ids[-self.context_size :], temperature)
            ids.append(int(rng.choice(self.vocab_size, p=probs)))
        return ids


def softmax(scores: Array) -> Array:
    """Turn scores into probabilities along the last axis: exp(score) / sum of all exp(score).

    The largest score is subtracted first. That changes nothing in the result, and exp of 0 or less
    cannot overflow.
    """
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def cross_entropy_loss(probs: Array, target: int | Array) -> float:
    """Average -log(probability of the target), in nats.

    A probability that was rounded to 0 counts as the smallest normal number of its type, which
    makes a large but finite loss: 708 in float64, 87 in float32.

    Parameters
    ----------
    probs : float[V], or float[B, V]
    target : int, or int[B]
    """
    rows, targets = np.atleast_2d(probs), np.atleast_1d(target)
    check_targets(targets, len(rows), rows.shape[-1])
    at_target = rows[np.arange(len(rows)), targets]
    return float(np.mean(-np.log(np.maximum(at_target, np.finfo(rows.dtype).tiny))))


def check_ids(ids: Array, vocab_size: int) -> None:
    """Refuse what is not an id in 0..V-1; NumPy would read -1 as the last word."""
    if ids.size and not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"ids of type {ids.dtype}, but whole numbers are needed: use text_to_indices() to turn "
            f"text into ids"
        )
    if ids.size and (ids.min() < 0 or ids.max() >= vocab_size):
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(
            f"id {wrong} is outside 0..{vocab_size - 1}: use text_to_indices() of the preprocessor "
            f"that this model was made for"
        )


def check_targets(targets: Array, n: int, vocab_size: int) -> None:
    """Refuse anything but one id in 0..V-1 for each of n predictions."""
    if targets.shape != (n,):
        raise ValueError(
            f"{targets.size} targets for {n} contexts: give exactly one target per context"
        )
    check_ids(targets, vocab_size)


PARAGRAPH = """
The river rises in the hills behind the old mill. In spring it carries snow water down to the
valley, and the fields along its banks turn green. Children build small boats from bark and paper,
and race them under the bridge. The miller watches from his door and remembers the year when the
water reached the third step. Since then he has kept a lamp in the upper window, and whoever crosses
the bridge at night looks for that light before taking the path through the trees.
"""


# Of a text of yours the demonstration reads this many characters: it makes a step per word.
DEMO_CHARACTERS = 3000
# A fifth of fewer words says nothing, and few that repeat are learnt until the weights overflow.
FEWEST_HELD_OUT = 200


def main(text: str = PARAGRAPH) -> None:
    """Learn a paragraph by heart, continue its first words, and measure on words held out."""
    preprocessor = TextPreprocessor(text)
    indices = preprocessor.text_to_indices(text)
    model = MiniNeuralLM(len(preprocessor.vocabulary))
    contexts, targets = preprocessor.create_training_data(indices, model.context_size)
    print(
        f"Training {model.count_parameters():,} parameters on {len(targets)} examples, "
        f"vocabulary of {len(preprocessor.vocabulary)} words"
    )
    print(f"Perplexity before: {model.perplexity(contexts, targets):.2f}")
    model.train(contexts, targets, epochs=100, print_every=10)
    print(f"Perplexity after: {model.perplexity(contexts, targets):.2f}")
    for temperature in (0.01, 0.7, 2.0):
        ids = model.generate(indices[: model.context_size], 30, temperature)
        print(f"Temperature {temperature}: {preprocessor.indices_to_text(ids)}")
    print()
    if text != PARAGRAPH and len(targets) < FEWEST_HELD_OUT:
        print(f"A text of {FEWEST_HELD_OUT} words or more is also measured on words held out.")
        return
    print("Learnt by heart. And words that it has never seen? Trained on four fifths of a text,")
    print("the rest held out:")
    two_readings(little_language() if text == PARAGRAPH else text)


def little_language(count: int = 120, seed: int = 0) -> str:
    """Make sentences of two kinds by chance: enough of them to learn a rule from, few to know all.

    "the old miller watches the young queen ." and "the baker paints the small boat ."
    """
    rng = np.random.default_rng(seed)
    kinds = {
        "people": "girl boy miller fisher baker queen",
        "things": "lamp boat bread river bridge window",
        "like": "old small red quiet young",
        "sees": "sees likes remembers watches",
        "paints": "carries lights paints loses",
    }
    sentences = ("the like people sees the like people .", "the people paints the like things .")
    return " ".join(
        str(rng.choice(kinds[word].split())) if word in kinds else word
        for _ in range(count)
        for word in sentences[rng.integers(2)].split()
    )


def two_readings(text: str, dropout: float = 0.5, epochs: int = 32) -> None:
    """Train on four fifths of a text, without and with dropout; print both losses of both.

    The loss on the examples held out falls at first, and rises once the model learns the others by
    heart. With dropout no hidden unit can rely on another one being there, so each has to be useful
    by itself: less is learnt by heart.
    """
    words = TextPreprocessor(text)
    indices = words.text_to_indices(text)
    models = [
        MiniNeuralLM(len(words.vocabulary), dropout=share, learning_rate=1.0)
        for share in (0.0, dropout)
    ]
    contexts, targets = words.create_training_data(indices, models[0].context_size)
    n = len(targets) * 4 // 5

    def losses(model: MiniNeuralLM) -> str:
        parts = ((contexts[:n], targets[:n]), (contexts[n:], targets[n:]))
        both = [cross_entropy_loss(model.forward(x)[0], target) for x, target in parts]
        return f"{both[0]:8.2f} {both[1]:9.2f}"

    print(f"{'':6}  without dropout     with dropout {dropout}")
    print(f"{'epoch':>6}  {'trained':>7} {'held out':>9}  {'trained':>8} {'held out':>9}")
    done = 0
    for epoch in [2**k for k in range(epochs.bit_length())]:
        for model in models:
            model.train(contexts[:n], targets[:n], epoch - done, batch_size=16)
        done = epoch
        print(f"{epoch:6} {losses(models[0])}  {losses(models[1])}", flush=True)


def text_of(path: str) -> str:
    """Read the beginning of a file for the demonstration."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(DEMO_CHARACTERS)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: cannot read {path} as UTF-8 text: {error}") from None
    count = len(TextPreprocessor.split(text))
    if count < 20:
        raise SystemExit(f"error: {path} has {count} words; give a text of 20 or more")
    print(f"{path}: its first {count} words. For all of it: fastlm train {path} --preset mini")
    return text


if __name__ == "__main__":
    import sys

    if len(sys.argv) > 2:
        raise SystemExit("usage: python -m fastlm.reference.mini [FILE]")
    main(*map(text_of, sys.argv[1:]))
