"""Generated corpora that are not prose: what people train on besides books.

Each is a function of a seed, so that the same text comes out everywhere.
"""

from __future__ import annotations

import random
import string

__all__ = ["CORPORA", "corpus_text"]


def _zipf_words(random_: random.Random, letters: str, count: int) -> list[str]:
    return ["".join(random_.choices(letters, k=random_.randint(2, 7))) for _ in range(count)]


def _zipf(random_: random.Random, words: list[str]) -> str:
    return words[min(len(words) - 1, int(len(words) ** random_.random()) - 1)]


def domains(random_: random.Random) -> str:
    """Names of six random letters and ``.com``: a third of all words occur once."""
    names = ("".join(random_.choices(string.ascii_lowercase, k=6)) for _ in range(3000))
    return "".join(f"{name}.com\n" for name in names)


def addresses(random_: random.Random) -> str:
    """Web addresses with paths and queries."""
    words = _zipf_words(random_, string.ascii_lowercase, 3000)
    lines = []
    for _ in range(3000):
        path = "/".join(_zipf(random_, words) for _ in range(random_.randint(1, 4)))
        query = f"?id={random_.randrange(10**6)}" if random_.random() < 0.4 else ""
        lines.append(f"https://{_zipf(random_, words)}.org/{path}{query}\n")
    return "".join(lines)


def molecules(random_: random.Random) -> str:
    """Strings that look like SMILES."""
    parts = "C C C C c1ccccc1 N O C(=O) C(C) [nH] Cl F Br S(=O)(=O) CC(N) c1ccncc1 [C@@H](O) #N"
    choices = parts.split()
    return "".join(
        "".join(random_.choices(choices, k=random_.randint(3, 14))) + "\n" for _ in range(3000)
    )


def dna(random_: random.Random) -> str:
    """Sequences in FASTA form: a header, then lines of 60 bases."""
    lines = []
    for number in range(60):
        lines.append(f">seq{number} len=1800\n")
        lines += ["".join(random_.choices("ACGT", (3, 2, 2, 3), k=60)) + "\n" for _ in range(30)]
    return "".join(lines)


def code(random_: random.Random) -> str:
    """Source code of small functions."""
    names = _zipf_words(random_, string.ascii_lowercase + "_", 1500)
    lines = []
    for _ in range(1200):
        a, b, c = (_zipf(random_, names) for _ in range(3))
        lines += [
            f"def {a}({b}, {c}=None):\n",
            f"    if {b} is None or {c} > {random_.randrange(100)}:\n",
            f"        return {_zipf(random_, names)}({b}[{random_.randrange(9)}], {c})\n",
            f"    {b}.{_zipf(random_, names)} += {c}\n\n",
        ]
    return "".join(lines)


def ethiopic(random_: random.Random) -> str:
    """Wiki markup in Ethiopic script, with its own word and sentence marks."""
    letters = "".join(map(chr, range(0x1200, 0x1248)))
    words = _zipf_words(random_, letters, 6000)
    lines = []
    for _ in range(600):
        lines.append(f"== {_zipf(random_, words)} ==\n")
        for _ in range(3):
            line = " ".join(_zipf(random_, words) for _ in range(random_.randint(5, 15)))
            lines.append(f"{line}። [[{_zipf(random_, words)}]]፣ {{{{{_zipf(random_, words)}}}}}\n")
    return "".join(lines)


def log(random_: random.Random) -> str:
    """Lines of a server's log."""
    paths = _zipf_words(random_, string.ascii_lowercase, 400)
    return "".join(
        f"2024-03-{random_.randint(1, 28):02} {random_.randrange(24):02}:{random_.randrange(60):02}"
        f" INFO [worker-{random_.randrange(8)}] GET /{_zipf(random_, paths)} "
        f"{random_.choice((200, 200, 200, 304, 404))} {random_.randrange(5000)}ms\n"
        for _ in range(4000)
    )


def chess(random_: random.Random) -> str:
    """Games of numbered moves, a game a line."""
    squares = [f + r for f in "abcdefgh" for r in "12345678"]
    lines = []
    for _ in range(700):
        moves = []
        for number in range(1, random_.randint(10, 40)):
            white, black = (random_.choice(("", "N", "B", "Q", "R", "K")) for _ in range(2))
            moves.append(
                f"{number}. {white}{random_.choice(squares)} {black}{random_.choice(squares)}"
            )
        lines.append(" ".join(moves) + random_.choice((" 1-0\n", " 0-1\n", " 1/2-1/2\n")))
    return "".join(lines)


def hashes(random_: random.Random) -> str:
    """Lines of a hash and a file name: most tokens occur once."""
    names = _zipf_words(random_, string.ascii_lowercase, 500)
    return "".join(
        f"{random_.getrandbits(128):032x}  src/{_zipf(random_, names)}.txt\n" for _ in range(3000)
    )


def table(random_: random.Random) -> str:
    """Rows of numbers and a category, separated by commas."""
    return "".join(
        f"{n},{random_.gauss(20, 5):.2f},{random_.random():.4f},{random_.choice('ABCD')},,0\n"
        for n in range(4000)
    )


def copies(random_: random.Random) -> str:
    """One line many times over, then empty ones."""
    return "the cat sat on a mat, said the cat\n" * 2500 + "\n" * 2000


CORPORA = {
    one.__name__: one
    for one in (
        domains, addresses, molecules, dna, code, ethiopic, log, chess, hashes, table, copies
    )
}  # fmt: skip


def corpus_text(name: str, seed: int = 0) -> str:
    """Return the text of a corpus; the same for the same seed."""
    return CORPORA[name](random.Random(f"{name} {seed}"))
