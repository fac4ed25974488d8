"""The pictures of docs/lesson.md, drawn from what the founding systems compute.

    python docs/pictures/draw_lesson.py

They are SVG without a background, and follow the reader's light or dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from fastlm.reference import mini, tiny

HERE = Path(__file__).parent
TEXT = "the cat sat on the mat " * 4
WIDTH = 880

STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.big { font-size: 17px } .soft { fill: #59636e }
.mono { font-family: ui-monospace, Menlo, Consolas, monospace }
.box { fill: none; stroke: #8c959f } .line { stroke: #8c959f; fill: none }
.grid { stroke: #8c959f; opacity: .25 }
.up { fill: #0969da } .down { fill: #bc4c00 } .bar { fill: #8c959f }
.curve-a { stroke: #bc4c00 } .curve-b { stroke: #0969da } .curve { fill: none; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .soft { fill: #9198a1 } .up { fill: #4493f8 } .down { fill: #f0883e }
  .curve-a { stroke: #f0883e } .curve-b { stroke: #4493f8 }
}
"""


class Picture:
    """An SVG that grows by shapes; sizes in pixels, WIDTH across."""

    def __init__(self, height: int, title: str) -> None:
        self.height, self.title = height, title
        self.parts: list[str] = []

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}" '
            f'xml:space="preserve">{escape(text)}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, style: str = "box") -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="2" class="{style}"/>'
        )

    def number(self, x: float, y: float, size: float, value: float) -> None:
        """A square, blue for a number above zero and orange below, the fuller the larger."""
        style = "up" if value > 0 else "down"
        opacity = min(1.0, 0.12 + abs(value))
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}" '
            f'class="{style}" opacity="{opacity:.2f}"/>'
        )

    def circle(self, x: float, y: float, radius: float, style: str, opacity: float = 1.0) -> None:
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{style}" '
            f'opacity="{opacity:.2f}"/>'
        )

    def arrow(self, x: float, y: float, length: float) -> None:
        end = x + length
        self.parts.append(f'<path class="line" d="M{x:.1f} {y:.1f}H{end:.1f}m-5 -4l5 4l-5 4"/>')

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path class="{style}" d="M{line}"/>')

    def save(self, name: str) -> None:
        body = "\n".join(self.parts)
        (HERE / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" role="img">\n<title>{escape(self.title)}'
            f"</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n",
            encoding="utf-8",
        )


def bars(
    picture: Picture,
    x: float,
    y: float,
    rows: Sequence[tuple[str, float]],
    *,
    width: float,
    step: float = 24,
) -> None:
    """Probabilities as bars with a label before and the figure after each."""
    for number, (label, probability) in enumerate(rows):
        middle = y + number * step
        picture.text(x - 8, middle + 5, label, "mono", "end")
        length = max(1.0, width * probability)
        picture.box(x, middle - 7, length, 14, "up" if number == 0 else "bar")
        picture.text(x + length + 6, middle + 5, f"{probability:.2f}", "soft")


def draw_tiny(weights: tiny.Weights) -> None:
    """From "the c" to the probability of "a"."""
    context = "the c"
    picture = Picture(250, 'How Tiny reads "the c": embeddings, their mean, scores, probabilities')
    top, step, cell, middle = 62, 30, 9, 62 + 2 * 30
    for row, character in enumerate(context):
        y = top + row * step
        i = tiny.char_to_idx[character]
        picture.box(8, y - 13, 26, 26)
        picture.text(21, y + 5, "␣" if character == " " else character, "mono", "middle")
        picture.text(42, y + 5, f"{i}", "soft")
        picture.arrow(64, y, 22)
        for e, value in enumerate(weights["embeddings"][i][:16]):
            picture.number(94 + e * (cell + 2), y - cell / 2, cell, value)
        picture.text(94 + 16 * (cell + 2) + 3, y + 5, "…", "soft")
    picture.arrow(296, middle, 36)
    mean = tiny.context_vector(tiny.encode(context), weights)
    for e, value in enumerate(mean[:16]):
        picture.number(340 + e * (cell + 2), middle - cell / 2, cell, value)
    picture.text(340 + 16 * (cell + 2) + 3, middle + 5, "…", "soft")
    picture.arrow(540, middle, 78)
    picture.text(579, middle - 12, "× W_output", "mono soft", "middle")
    picture.text(579, middle + 22, "softmax", "mono soft", "middle")
    probabilities = tiny.forward_pass(context, weights)
    ranked = sorted(zip(probabilities, tiny.VOCABULARY, strict=True), reverse=True)[:5]
    rows = [("␣" if letter == " " else letter, share) for share, letter in ranked]
    bars(picture, 660, top, rows, width=165, step=step)
    for x, first, second in (
        (8, "5 characters", "and their ids"),
        (130, "5 embeddings", "32 numbers each"),
        (370, "their mean", "32 numbers"),
        (640, "27 probabilities", "the 5 largest"),
    ):
        picture.text(x, 20, first)
        picture.text(x, 38, second, "soft")
    picture.text(
        8,
        238,
        "After 15 epochs on one sentence. Blue numbers are above zero, orange below.",
        "soft",
    )
    picture.save("lesson-tiny.svg")


def draw_mini() -> None:
    """From four words to the probability of the fifth."""
    words = mini.TextPreprocessor(mini.PARAGRAPH)
    ids = words.text_to_indices(mini.PARAGRAPH)
    model = mini.MiniNeuralLM(len(words.vocabulary))
    contexts, targets = words.create_training_data(ids, 4)
    model.train(contexts, targets, epochs=3)
    probs, cache = model.forward(contexts[0])
    picture = Picture(250, "How Mini reads four words: embeddings side by side, a hidden layer")
    top, step, cell = 70, 36, 9
    for row, i in enumerate(contexts[0]):
        y = top + row * step
        picture.text(8, y + 5, words.vocabulary[i], "mono")
        picture.text(84, y + 5, str(i), "soft", "end")
        picture.arrow(94, y, 20)
        for e, value in enumerate(model.embeddings[i][:14]):
            picture.number(122 + e * (cell + 2), y - cell / 2, cell, 3 * float(value))
        picture.text(122 + 14 * (cell + 2) + 3, y + 5, "…", "soft")
    middle = top + 1.5 * step
    picture.box(114, top - 18, 184, 3 * step + 36)
    picture.arrow(308, middle, 60)
    picture.text(338, middle - 12, "× W1", "mono soft", "middle")
    picture.text(338, middle + 22, "max 0", "mono soft", "middle")
    h1 = cache["h1"][0]
    for number, value in enumerate(h1[:80]):
        column, row = divmod(number, 10)
        style, opacity = ("up", min(1.0, 0.25 + float(value))) if value > 0 else ("line", 1.0)
        picture.circle(388 + column * 15, middle - 68 + row * 15, 5, style, opacity)
    picture.text(512, middle + 5, "…", "soft")
    picture.arrow(532, middle, 70)
    picture.text(567, middle - 12, "× W2", "mono soft", "middle")
    picture.text(567, middle + 22, "softmax", "mono soft", "middle")
    best = probs.argsort()[::-1][:5]
    rows = [(words.vocabulary[i], float(probs[i])) for i in best]
    bars(picture, 706, top - 6, rows, width=120, step=30)
    for x, first, second in (
        (8, "4 words", "and their ids"),
        (122, "4 embeddings, side by side", "64 numbers each"),
        (388, "hidden layer", "128 units"),
        (640, f"{len(words.vocabulary)} probabilities", "the 5 largest"),
    ):
        picture.text(x, 20, first)
        picture.text(x, 38, second, "soft")
    picture.text(
        8, 240, "After three epochs on one paragraph. Empty circles are units at zero.", "soft"
    )
    picture.save("lesson-mini.svg")


def draw_losses(mean: Sequence[float], side_by_side: Sequence[float]) -> None:
    """The loss by epoch, of the mean and of embeddings side by side."""
    picture = Picture(300, "Average loss by epoch: the mean, and embeddings side by side")
    left, right, top, bottom, most = 60, 700, 20, 250, 3.5

    def at(epoch: float, loss: float) -> tuple[float, float]:
        x = left + (right - left) * epoch / 100
        return x, bottom - (bottom - top) * loss / most

    for loss in (0, 1, 2, 3):
        picture.path([at(0, loss), at(100, loss)], "grid")
        picture.text(left - 10, at(0, loss)[1] + 5, str(loss), "soft", "end")
    for epoch in (1, 25, 50, 75, 100):
        picture.text(at(epoch, 0)[0], bottom + 20, str(epoch), "soft", "middle")
    picture.text((left + right) / 2, bottom + 42, "epoch", "soft", "middle")
    picture.text(8, 14, "average loss, nats per letter", "soft")
    for losses, style, name, above in (
        (mean, "curve curve-a", "mean", -10),
        (side_by_side, "curve curve-b", "side by side", 2),
    ):
        picture.path([at(n, loss) for n, loss in enumerate(losses, 1)], style)
        x, y = at(100, losses[-1])
        picture.text(x + 10, y + 5 + above, f"{name} {losses[-1]:.2f}")
    picture.save("lesson-loss.svg")


def main() -> None:
    """Train Tiny and Mini, and draw."""
    young, weights = tiny.initialize_weights(27, 32), tiny.initialize_weights(27, 32)
    tiny.train(TEXT, young, epochs=15, print_every=0)
    ordered = tiny.initialize_weights(27, 32, concat=5)
    mean = tiny.train(TEXT, weights, print_every=0)
    side_by_side = tiny.train(TEXT, ordered, print_every=0)
    draw_tiny(young)
    draw_mini()
    draw_losses(mean, side_by_side)


if __name__ == "__main__":
    main()
