"""What the library leaves out, would it pay? Other optimisers and other forms of the same model.

    python bench/alternatives.py FOLDER [--only brown] [--epochs 2] [--seeds 1] [--try NAME]

FOLDER holds corpora as for ``bench/quality.py``. The first line is what the library picks for so
many epochs and reaches; the second the same model trained by PyTorch, from the same first weights:
the two have to agree. In every other line PyTorch trains it with one thing changed. Needs PyTorch:
pip install "fastlm[bench]".
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import Row, Run, corpora_in, run

from fastlm.bench.torch_steps import INSTALL_TORCH, torch_is_installed
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset, build_dataset
from fastlm.model.initialization import scaled_params
from fastlm.model.layout import Layout
from fastlm.system.resources import thread_count
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.training.schedule import learning_rates

EVALUATED = 4096  # positions at once


@dataclass(frozen=True)
class Alternative:
    """What PyTorch does in another way.

    rate : times the picked learning rate; for AdamW the rate itself
    weight_decay : None: as picked
    clip : greatest norm of the gradient of all weights
    mean_of_last : share of the run over whose weights the mean is taken in the end
    direct : the input of the first layer goes to the output as well
    tied : the output's weights are the embeddings, behind a projection to their width
    """

    optimizer: str = "momentum"
    rate: float = 1.0
    weight_decay: float | None = None
    schedule: str | None = None
    clip: float | None = None
    mean_of_last: float = 0.0
    direct: bool = False
    tied: bool = False


ALTERNATIVES: dict[str, Alternative] = {
    "AdamW, 0.001": Alternative("adamw", 0.001, weight_decay=0.01),
    "AdamW, 0.002": Alternative("adamw", 0.002, weight_decay=0.01),
    "AdamW, 0.004": Alternative("adamw", 0.004, weight_decay=0.01),
    "AdamW, 0.002, weight decay 0.1": Alternative("adamw", 0.002, weight_decay=0.1),
    "gradients clipped at 0.25": Alternative(clip=0.25),
    "gradients clipped at 0.25, twice the rate": Alternative(clip=0.25, rate=2.0),
    "mean of the last tenth": Alternative(mean_of_last=0.1),
    "constant rate, mean of the last half": Alternative(schedule="constant", mean_of_last=0.5),
    "direct connections": Alternative(direct=True),
    "tied weights": Alternative(tied=True),
}


def network(config: ModelConfig, params: NDArray[np.float32], alternative: Alternative) -> Any:
    """The model as an nn.Module: contexts int64[B, span], targets int64[B] -> mean loss, nats.

    Its attributes ``p_embed`` and ``p_hidden`` are the dropout while it trains.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    class Affine(nn.Module):
        """x [B, fan_in] -> x @ W^T + b, W put together when it is asked for."""

        def __init__(self, weight: Callable[[], Any], bias: Any) -> None:
            super().__init__()
            self.weight, self.bias = weight, bias

        def forward(self, x: Any) -> Any:
            return functional.linear(x, self.weight(), self.bias)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p_embed = self.p_hidden = 0.0
            self.tensors = nn.ParameterDict(
                {
                    name.replace(".", "_"): nn.Parameter(torch.from_numpy(values.copy()))
                    for name, values in Layout(config).views(params).items()
                }
            )
            self.width = config.hidden[-1] if config.hidden else config.input_width
            if alternative.direct:
                self.width += config.input_width
            if alternative.tied:
                spread = self.width**-0.5
                self.projection = nn.Parameter(torch.randn(config.embed, self.width) * spread)
            self.softmax = self.output()

        def tensor(self, name: str) -> Any:
            return self.tensors[name.replace(".", "_")]

        def output(self) -> Any:
            """Contexts' vectors [B, width] and targets -> an object with ``loss``."""
            if not config.cutoffs:
                return self.affine("output", 0, config.vocab)
            softmax = nn.AdaptiveLogSoftmaxWithLoss(
                self.width, config.vocab, list(config.cutoffs), div_value=config.tail_divisor
            )
            softmax.head = self.affine("output", 0, config.cutoffs[0])
            for number, (start, stop, _) in enumerate(config.clusters, start=1):
                parts = [self.affine(f"tail.{number}", start, stop)]
                if not alternative.tied:
                    parts.insert(0, self.wider(f"tail.{number}.projection"))
                softmax.tail[number - 1] = nn.Sequential(*parts)
            return softmax

        def wider(self, name: str) -> Affine:
            """A matrix of the output that sees the direct connections, too, if there are any."""
            weight = self.tensor(name)
            if not alternative.direct:
                return Affine(lambda: weight.T, None)
            more = nn.Parameter(torch.zeros(config.input_width, weight.shape[1]))
            self.tensors[f"direct_{name.replace('.', '_')}"] = more
            return Affine(lambda: torch.cat((weight, more)).T, None)

        def affine(self, name: str, start: int, stop: int) -> Affine:
            """The logits of the ids ``start`` .. ``stop`` (and of the clusters, in the head)."""
            weight, bias = self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias")
            if alternative.tied:

                def tied() -> Any:
                    words = self.tensor("embeddings")[start:stop] @ self.projection
                    clusters = weight[:, stop - start :].T  # in the head of an adaptive softmax
                    return torch.cat((words, clusters)) if len(clusters) else words

                return Affine(tied, bias)
            layer = self.wider(f"{name}.weight") if name == "output" else None
            return Affine(layer.weight if layer else lambda: weight.T, bias)

        def forward(self, contexts: Any, targets: Any) -> Any:
            p_embed = self.p_embed if self.training else 0.0
            p_hidden = self.p_hidden if self.training else 0.0
            embedded = functional.embedding(contexts, self.tensor("embeddings"))
            stop = config.span - config.context
            parts = [embedded[:, stop:].flatten(1)]
            if config.combine == "mean":
                parts = [embedded[:, stop:].mean(1)]
            for number, size in enumerate(config.far, start=1):
                weights = self.tensor(f"far.{number}.weight")
                parts.append((embedded[:, stop - size : stop] * weights).sum(1))
                stop -= size
            x = functional.dropout(torch.cat(parts, 1), p_embed)
            h = x
            for number in range(1, len(config.hidden) + 1):
                weight = self.tensor(f"hidden.{number}.weight")
                h = functional.linear(h, weight.T, self.tensor(f"hidden.{number}.bias")).relu()
                h = functional.dropout(h, p_hidden)
            if alternative.direct:
                h = torch.cat((h, x), 1)
            if config.cutoffs:
                return self.softmax(h, targets).loss
            return functional.cross_entropy(self.softmax(h), targets)

    return Network()


class Text:
    """Tokens, and contexts of them as the library takes them."""

    def __init__(self, ids: NDArray[Any], config: ModelConfig) -> None:
        self.config = config
        self.boundary = config.boundary or 0
        before = np.full(config.span, self.boundary, dtype=np.int64)
        self.padded = np.concatenate((before, ids.astype(np.int64)))
        self.first = config.span if config.boundary is None else 0
        self.examples = ids.size - self.first

    def batch(self, examples: NDArray[np.int64]) -> tuple[Any, Any]:
        """(contexts int64[B, span], targets int64[B]) as tensors."""
        import torch

        places = examples + self.first
        contexts = self.padded[places[:, None] + np.arange(self.config.span)]
        # From the nearest boundary on backwards a context is all boundary.
        ended = np.logical_or.accumulate((contexts == self.boundary)[:, ::-1], axis=1)[:, ::-1]
        if self.config.boundary is not None:
            contexts[ended] = self.boundary
        targets = self.padded[places + self.config.span]
        return torch.from_numpy(contexts), torch.from_numpy(targets)

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        for start in range(0, self.examples, EVALUATED):
            yield self.batch(np.arange(start, min(start + EVALUATED, self.examples)))


def mean_loss(net: Any, text: Text) -> float:
    """Of every position, nats."""
    import torch

    net.eval()
    with torch.inference_mode():
        total = sum(float(net(*batch)) * len(batch[1]) for batch in text.in_order())
    net.train()
    return total / text.examples


def optimizer_of(net: Any, training: TrainingConfig, alternative: Alternative) -> Any:
    """Its groups' ``scale`` is what their rate is times the schedule's."""
    import torch

    embeddings, matrices, others = [], [], []
    for name, parameter in net.named_parameters():
        if name.endswith("embeddings"):
            embeddings.append(parameter)
        else:
            small = name.endswith("bias") or ".far_" in name
            (others if small else matrices).append(parameter)
    decay = training.weight_decay if alternative.weight_decay is None else alternative.weight_decay
    groups = [
        {"params": embeddings, "weight_decay": decay, "scale": training.embed_lr_scale},
        {"params": matrices, "weight_decay": decay, "scale": 1.0},
        {"params": others, "weight_decay": 0.0, "scale": 1.0},
    ]
    if alternative.optimizer == "adamw":
        for group in groups:
            group["scale"] = 1.0
        return torch.optim.AdamW(groups, lr=alternative.rate)
    beta = training.momentum
    return torch.optim.SGD(groups, lr=training.base_lr, momentum=beta, dampening=beta)


class Mean:
    """Of the parameters at several times."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.count = 0

    def add(self, net: Any) -> None:
        new = [parameter.detach() for parameter in net.parameters()]
        self.values = self.values or [values.clone() for values in new]
        self.count += 1
        for values, more in zip(self.values, new, strict=True):
            values.lerp_(more, 1 / self.count)

    def put_into(self, net: Any) -> None:
        """Nothing, where nothing was added."""
        import torch

        with torch.no_grad():
            for parameter, values in zip(net.parameters(), self.values, strict=False):
                parameter.copy_(values)


def train_by_torch(
    text: Dataset,
    config: ModelConfig,
    training: TrainingConfig,
    alternative: Alternative,
) -> tuple[float, float]:
    """(validation loss in nats, seconds of training) after the last step."""
    import torch

    torch.manual_seed(training.seed)
    torch.set_num_threads(thread_count())
    counts = np.bincount(text.train, minlength=config.vocab)
    net = network(config, scaled_params(config, training.seed, counts), alternative)
    net.p_embed, net.p_hidden = training.embed_dropout, training.dropout
    train, valid = Text(text.train, config), Text(text.valid, config)
    optimizer = optimizer_of(net, training, alternative)
    steps = -(-round(training.epochs * train.examples) // training.batch)
    schedule = replace(training, schedule=alternative.schedule or training.schedule)
    rates = learning_rates(schedule, np.arange(steps) / steps, 0) / training.base_lr
    base = alternative.rate * (training.base_lr if alternative.optimizer == "momentum" else 1.0)
    mean = Mean()
    began = time.perf_counter()
    order = _order(train.examples, training.seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = base * rates[step] * group["scale"]
        examples = np.fromiter((next(order) for _ in range(training.batch)), dtype=np.int64)
        loss = net(*train.batch(examples))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if alternative.clip is not None:
            torch.nn.utils.clip_grad_norm_(net.parameters(), alternative.clip)
        optimizer.step()
        if step >= steps * (1 - alternative.mean_of_last):
            mean.add(net)
    seconds = time.perf_counter() - began
    mean.put_into(net)
    return mean_loss(net, valid), seconds


def _order(examples: int, seed: int) -> Iterator[int]:
    """Each epoch goes through all, in another order."""
    rng = np.random.default_rng(seed)
    while True:
        yield from rng.permutation(examples).tolist()


def tokens_of(row: Row, folder: Path) -> Dataset:
    """The same ids as those that the library trains on."""
    settings = {name: v for name, v in row.settings_in(folder).items() if name != "epochs"}
    documents = settings.pop("documents", None)
    return build_dataset(
        folder / row.corpus / "train.txt",
        TokenizerSpec.of(settings.pop("tokenizer"), **settings),
        valid=folder / row.corpus / "valid.txt",
        documents=documents,
    )


def compare(row: Row, folder: Path, epochs: float, seeds: int, names: Sequence[str]) -> None:
    """Print the table of one corpus, line by line as it comes."""
    row = replace(row, settings=row.settings | {"epochs": epochs})
    print(f"\n{row.corpus}, {epochs:g} epochs\n\n| | validation, {row.unit} | | seconds |")
    print("| --- | ---: | ---: | ---: |")
    run(replace(row, settings=row.settings | {"epochs": 0.01}), folder, 0)  # compiles
    picked = [run(row, folder, seed) for seed in range(seeds)]
    base = median(one.figure for one in picked)
    _line("as picked, by the library", base, base, median(one.seconds for one in picked))
    text = tokens_of(row, folder)
    lines = {"the same, by PyTorch": Alternative()}
    lines |= {name: ALTERNATIVES[name] for name in names}
    for name, alternative in lines.items():
        found = [_by_torch(one, text, alternative) for one in picked]
        nats, seconds = (median(values) for values in zip(*found, strict=True))
        if alternative == Alternative():
            base = row.figure(nats)
        _line(name, row.figure(nats), base, seconds)


def _by_torch(one: Run, text: Dataset, alternative: Alternative) -> tuple[float, float]:
    config, training = ModelConfig(**one.model), TrainingConfig(**one.training)
    return train_by_torch(text, config, training, alternative)


def _line(name: str, figure: float, base: float, seconds: float) -> None:
    print(f"| {name} | {figure:.4g} | {figure / base - 1:+.1%} | {seconds:.0f} |", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the corpora's folders in it")
    parser.add_argument("--only", action="append", metavar="CORPUS", help="may be repeated")
    parser.add_argument("--epochs", type=float, default=2, help="of each run (default 2)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each (default 1)")
    parser.add_argument("--try", dest="names", action="append", choices=list(ALTERNATIVES))
    options = parser.parse_args(arguments)
    rows = corpora_in(options.folder, options.only)
    if not rows:
        return 1
    if not torch_is_installed():
        print(f"error: this needs PyTorch; get it with {INSTALL_TORCH}", file=sys.stderr)
        return 1
    for row in rows.values():
        compare(
            row, options.folder, options.epochs, options.seeds, options.names or [*ALTERNATIVES]
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
