"""Tiny: a language model of characters, in pure Python.

A language model answers one question: which character comes next? Tiny answers it in the fewest
steps that still deserve the name, and this file follows them in order:

1. Text becomes *ids*: space is 0, a is 1, ... z is 26 (`encode`, `decode`).
2. The text itself is the teacher: every 5 characters are a *context*, and the character after them
   is the correct answer (`create_training_data`).
3. Every character owns an *embedding*, 32 numbers that training will choose
   (`initialize_weights`). The *mean* of the 5 embeddings stands for the context. A mean forgets the
   order: to Tiny, "tea" and "eat" are the same context.
4. That context vector times a 32 x 27 matrix gives one *score* for each possible next character
   (`forward_pass`), and `softmax` turns the scores into probabilities.
5. The *loss* is -log(probability of the correct answer): 0 when Tiny was certain and right, large
   when it was surprised (`cross_entropy_loss`).
6. The *gradient* says how the loss would change with every weight; moving each weight a little
   against its gradient makes the correct answer a little more probable (`backward_pass`).
7. Doing so for every example, many times, is training (`train`). Asking for the most probable
   character again and again is writing (`generate_text`).

Letters used below: V characters in the vocabulary (27), E numbers in an embedding (32),
C characters in a context (5).

How large is it? 27 embeddings of 32 numbers and a 32 x 27 output matrix: 864 + 864 = 1,728
parameters (`count_parameters`). The figure of about 4,800 that is often quoted for this model would
need the five embeddings side by side instead of their mean: 27*32 + (5*32)*27 = 5,184. That model
is here too (`initialize_weights(27, 32, concat=5)`): it knows the order of the characters.

Run it with `python -m fastlm.reference.tiny`, or with a text of yours:
`python -m fastlm.reference.tiny FILE`.
"""

import math
import random

VOCABULARY = " abcdefghijklmnopqrstuvwxyz"
CONTEXT_LENGTH = 5
EMBED_SIZE = 32

# Other names of the same things.
vocab = VOCABULARY
char_to_idx = {character: i for i, character in enumerate(VOCABULARY)}

# Spread of the first random weights. Far smaller, and the two matrices wait for each other to grow:
# 100 epochs on one "the cat sat on the mat " end at a loss of 1.98 from a spread of 0.01, 1.14 from
# 0.1, 0.53 from 0.3. Far larger, and the first guesses are confident and wrong: the first epoch's
# loss is 6.53 from 1.0, where an even guess costs 3.30.
INITIAL_SPREAD = 0.3

# log(0) has no value. A probability that was rounded to 0 counts as this one: a loss of 690.8.
SMALLEST_PROBABILITY = 1e-300

# Of a text of yours the demonstration reads this much: pure Python takes its time.
DEMO_CHARACTERS = 500
DEMO_CONCAT_EPOCHS = 30

Weights = dict[str, list[list[float]]]


class NamedWeights(Weights):
    """Weights by name, where "W_output" is another name of "output"."""

    def __missing__(self, name: str) -> list[list[float]]:
        if name == "W_output":
            return self["output"]
        raise KeyError(f"no weights {name!r}; there are {', '.join(self)}")

    def __setitem__(self, name: str, matrix: list[list[float]]) -> None:
        super().__setitem__("output" if name == "W_output" else name, matrix)


def encode(text: str) -> list[int]:
    """Turn text into ids: "hello" becomes [8, 5, 12, 12, 15].

    Upper case is read as lower case; every character outside the alphabet (a digit, a comma, a line
    break, an accented letter) is read as a space, id 0.
    """
    # find() answers -1 for a character that is not there.
    return [max(VOCABULARY.find(character), 0) for character in text.lower()]


def decode(ids: list[int]) -> str:
    """Turn ids back into text; ValueError if one is not in 0..26."""
    check_ids(ids, len(VOCABULARY))
    return "".join(VOCABULARY[i] for i in ids)


def check_ids(ids: list[int], vocab_size: int) -> None:
    """Refuse ids outside 0..vocab_size-1; Python would read -1 as the last character."""
    for i in ids:
        if not 0 <= i < vocab_size:
            raise ValueError(
                f"id {i} is outside 0..{vocab_size - 1}: use encode() to turn text into ids"
            )


def create_training_data(text: str, context_length: int) -> list[tuple[list[int], int]]:
    """Slide a window over the text: (ids of the context, id of the character after it).

    "the cat" with a context of 5 gives two examples, "the c" -> "a" and "he ca" -> "t". A text of n
    characters gives n - context_length examples, and none if it is too short.
    """
    if context_length < 1:
        raise ValueError(f"context_length is {context_length}: a context has at least 1 character")
    ids = encode(text)
    return [
        (ids[start : start + context_length], ids[start + context_length])
        for start in range(len(ids) - context_length)
    ]


def initialize_weights(
    vocab_size: int, embed_size: int, random_seed: int = 0, concat: int = 0
) -> Weights:
    """Start from small random numbers, the same ones for the same seed.

    They must differ from each other: if all were equal, all would get the same gradient and stay
    equal forever.

    Parameters
    ----------
    concat : 0 if a context is the mean of its embeddings; C to lay C embeddings side by side

    Returns
    -------
    "embeddings" : V lists of E floats, one row for each character
    "output" : E lists of V floats (with concat, C*E lists), which turn a context vector into scores
    """
    rng = random.Random(random_seed)

    def random_matrix(rows: int, columns: int) -> list[list[float]]:
        return [[rng.gauss(0.0, INITIAL_SPREAD) for _ in range(columns)] for _ in range(rows)]

    return NamedWeights(
        embeddings=random_matrix(vocab_size, embed_size),
        output=random_matrix(max(1, concat) * embed_size, vocab_size),
    )


def count_parameters(weights: Weights) -> int:
    """Count the numbers that training may change: 27*32 + 32*27 = 1,728."""
    return sum(len(row) for matrix in weights.values() for row in matrix)


def context_vector(input_sequence: list[int], weights: Weights) -> list[float]:
    """Average the embeddings of the context's characters, component by component: E floats.

    If the output matrix has a row for every number of C embeddings, they are laid side by side
    instead, the oldest first: C*E floats, which keep the order.
    """
    if not input_sequence:
        raise ValueError("the context is empty: give at least 1 character")
    check_ids(input_sequence, len(weights["embeddings"]))
    rows = [weights["embeddings"][i] for i in input_sequence]
    if is_mean(weights):
        return [sum(component) / len(rows) for component in zip(*rows, strict=True)]
    places = len(weights["output"]) // len(rows[0])
    if len(rows) != places:
        raise ValueError(
            f"the context has {len(rows)} characters, but these weights lay {places} embeddings "
            f"side by side: give {places} characters"
        )
    return [number for row in rows for number in row]


def is_mean(weights: Weights) -> bool:
    """Whether these weights read the mean of the embeddings: the output matrix has E rows."""
    return len(weights["output"]) == len(weights["embeddings"][0])


def forward_pass(text: str | list[int], weights: Weights) -> list[float]:
    """Predict what follows the context `text` (a string, or its ids): V probabilities.

    probabilities = softmax(context · W_output), where context is the mean of the embeddings.
    """
    input_sequence = encode(text) if isinstance(text, str) else text
    context = context_vector(input_sequence, weights)
    columns = zip(*weights["output"], strict=True)
    return softmax([dot(context, column) for column in columns])


def dot(a: list[float], b: list[float] | tuple[float, ...]) -> float:
    """Multiply two vectors component by component and add up."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def softmax(scores: list[float]) -> list[float]:
    """Turn any scores into positive numbers that sum to 1: exp(score) / sum of all exp(score).

    Adding the same number to every score changes nothing, so the largest is subtracted first: exp
    of a large score would overflow, while exp of 0 or less never does.
    """
    largest = max(scores)
    exponentials = [math.exp(score - largest) for score in scores]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def cross_entropy_loss(probabilities: list[float], correct_answer: int) -> float:
    """Measure the surprise in nats: -log of the probability that the correct answer was given.

    A probability of 0.70 has a loss of 0.357, one of 0.05 a loss of 2.996. Guessing evenly among 27
    characters costs log(27) = 3.296.
    """
    check_ids([correct_answer], len(probabilities))
    return -math.log(max(probabilities[correct_answer], SMALLEST_PROBABILITY))


def backward_pass(
    text: str | list[int], correct_answer: str | int, weights: Weights, learning_rate: float
) -> float:
    """Learn from one example: change `weights` in place, return the loss from before the change.

    The context and the character after it are strings, or their ids.

    The gradient is the chain rule, walked from the loss back to the weights:

    - Score v raises log(sum of exp) by its probability, and the loss subtracts the score of the
      correct answer: d_scores[v] = probabilities[v] - (1 if v is the correct answer else 0).
    - `score[v]` is the sum over e of `context[e] * output[e][v]`, so each factor's gradient is the
      other factor times `d_scores[v]`.
    - The context is a mean, so each of its C characters gets 1/C of d_context; a letter that occurs
      twice gets it twice. Side by side, each gets the part of d_context at its place.

    Every gradient belongs to the weights as they were in the forward pass, hence d_context comes
    before the output weights change.
    """
    input_sequence = encode(text) if isinstance(text, str) else text
    if isinstance(correct_answer, str):
        (correct_answer,) = encode(correct_answer)
    context = context_vector(input_sequence, weights)
    probabilities = forward_pass(input_sequence, weights)
    loss = cross_entropy_loss(probabilities, correct_answer)

    d_scores = probabilities
    d_scores[correct_answer] -= 1.0
    d_context = [dot(d_scores, row) for row in weights["output"]]

    for component, row in zip(context, weights["output"], strict=True):
        for v, d_score in enumerate(d_scores):
            row[v] -= learning_rate * component * d_score
    size = len(weights["embeddings"][0])
    mean = is_mean(weights)
    for place, i in enumerate(input_sequence):
        row = weights["embeddings"][i]
        part = d_context if mean else d_context[place * size : (place + 1) * size]
        for e, d_component in enumerate(part):
            row[e] -= learning_rate * d_component / (len(input_sequence) if mean else 1)
    return loss


def train(
    training_text: str,
    weights: Weights,
    epochs: int = 100,
    learning_rate: float = 0.05,
    context_length: int = CONTEXT_LENGTH,
    print_every: int = 10,
) -> list[float]:
    """Go through the text `epochs` times, one example after the other, in the order of the text.

    This is plain gradient descent: the weights change after every example. Prints the average loss
    every 10 epochs (`print_every`; 0 for never), returns it for every epoch, and leaves what was
    learnt in `weights`.
    """
    examples = create_training_data(training_text, context_length)
    if not examples:
        raise ValueError(
            f"the training text has {len(training_text)} characters, but a context of "
            f"{context_length} and the character after it need {context_length + 1}: "
            f"give a longer text"
        )
    average_losses = []
    for epoch in range(1, epochs + 1):
        total = 0.0
        for input_sequence, correct_answer in examples:
            total += backward_pass(input_sequence, correct_answer, weights, learning_rate)
        average_losses.append(total / len(examples))
        if not math.isfinite(total):
            raise ValueError(
                f"the loss of epoch {epoch} is {total}: a learning rate of {learning_rate} is too "
                "large; try a tenth of it"
            )
        if print_every and epoch % print_every == 0:
            print(f"Epoch {epoch}/{epochs}, Average Loss: {average_losses[-1]:.4f}", flush=True)
    return average_losses


def generate_text(
    seed: str, weights: Weights, length: int, context_length: int = CONTEXT_LENGTH
) -> str:
    """Continue `seed` by `length` characters; return the seed and its continuation.

    Greedy: always the most probable character (the first one, if several are equally so), predicted
    from the last 5. A shorter seed is a shorter context: the mean is over what there is. Side by
    side, spaces stand for what is missing.
    """
    if not seed:
        raise ValueError("the seed is empty: give at least 1 character to continue")
    if length < 0:
        raise ValueError(f"length is {length}: ask for 0 or more characters")
    text = seed
    for _ in range(length):
        context = text[-context_length:]
        if not is_mean(weights):
            context = context.rjust(context_length)
        probabilities = forward_pass(context, weights)
        text += decode([probabilities.index(max(probabilities))])
    return text


def confused_contexts(text: str, context_length: int) -> list[tuple[str, str]]:
    """Find two contexts that a mean cannot tell apart, though the text continues them differently.

    Returns
    -------
    Two pairs of a context and the character after it: the same characters in another order. An
    empty list if the text has no such pair.
    """
    first_with: dict[str, tuple[str, str]] = {}
    for ids, target in create_training_data(text, context_length):
        context, answer = decode(ids), decode([target])
        other = first_with.setdefault("".join(sorted(context)), (context, answer))
        if other[0] != context and other[1] != answer:
            return [other, (context, answer)]
    return []


def main(text: str = "the cat sat on the mat " * 4) -> None:
    """Learn a text, complete two fragments of it, and show what a mean cannot do.

    The result goes wrong where it must: "the cat sat on hte ma t". The contexts "t on " and " on t"
    hold the same characters, so to a mean they are one context, with a "t" after it as often as an
    "h". The average loss cannot reach 0 for the same reason. Side by side, the embeddings keep the
    order of the characters, and the words come out right.
    """
    seeds = [text[start : start + CONTEXT_LENGTH] for start in (0, 8)]
    weights = initialize_weights(len(VOCABULARY), EMBED_SIZE)
    print(f"Training {count_parameters(weights):,} parameters on {len(text)} characters")
    losses = train(text, weights)
    for seed in seeds:
        print(f"'{seed}' continues: '{generate_text(seed, weights, 18)}'")

    confused = confused_contexts(text, CONTEXT_LENGTH)
    if confused:
        (one, after_one), (other, after_other) = confused
        probabilities = forward_pass(one, weights)
        both = f"'{after_one}' {probabilities[char_to_idx[after_one]]:.2f}"
        both += f" or '{after_other}' {probabilities[char_to_idx[after_other]]:.2f}"
        print()
        print('Why "hte"?' if "sat on hte" in generate_text(seeds[0], weights, 18) else "Note:")
        print(f"  After '{one}' comes '{after_one}', after '{other}' comes '{after_other}'.")
        print("  Both hold the same characters. A mean has no order, so Tiny sees one context")
        print(f"  and can only guess: {both}.")

    print()
    print("The embeddings side by side (concat) keep the order:")
    weights = initialize_weights(len(VOCABULARY), EMBED_SIZE, concat=CONTEXT_LENGTH)
    print(f"Training {count_parameters(weights):,} parameters for {DEMO_CONCAT_EPOCHS} epochs")
    side_by_side = train(text, weights, DEMO_CONCAT_EPOCHS, print_every=0)
    for seed in seeds:
        print(f"'{seed}' continues: '{generate_text(seed, weights, 18)}'")
    print(
        f"Average loss of the last epoch: {side_by_side[-1]:.4f} (with the mean {losses[-1]:.4f})"
    )


def text_of(path: str) -> str:
    """Read the beginning of a file for the demonstration."""
    try:
        with open(path, encoding="utf-8") as file:
            letters = decode(encode(file.read(2 * DEMO_CHARACTERS)))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: cannot read {path} as UTF-8 text: {error}") from None
    text = " ".join(letters.split())[:DEMO_CHARACTERS]
    if len(text) < 20:
        raise SystemExit(f"error: {path} has {len(text)} characters; give a text of 20 or more")
    print(
        f"{path}: its first {len(text)} characters. "
        f"For all of it: fastlm train {path} --preset tiny"
    )
    return text


if __name__ == "__main__":
    import sys

    if len(sys.argv) > 2:
        raise SystemExit("usage: python -m fastlm.reference.tiny [FILE]")
    main(*map(text_of, sys.argv[1:]))
