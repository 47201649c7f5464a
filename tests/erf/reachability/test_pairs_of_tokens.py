"""Boxes between all pairs of tokens: what is not written out says the same, and takes no square of memory."""

from __future__ import annotations

import tracemalloc

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf import check, theoretical_receptive_field
from erf.reachability import storage, union
from tests.erf.hard_cases import Forward


class Attention(nn.Module):
    """Attention of tokens of 2 x 2 pixels and one more, by hand.

    Args:
        scores: What becomes of the scores ``[N, tokens, tokens]`` before they are summed.
    """

    def __init__(self, scores=lambda scores, tokens: scores.softmax(-1)) -> None:
        super().__init__()
        self.patches, self.first, self.scores = nn.Conv2d(1, 6, 2, 2), nn.Parameter(torch.zeros(1, 1, 6)), scores

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
        return tokens + self.scores(tokens @ tokens.transpose(1, 2), tokens).sum(2, keepdim=True)


def by_position(scores: Tensor, tokens: Tensor) -> Tensor:
    """Add to part of the scores what a token says of rows and columns, as MViT does."""
    side = round((tokens.shape[1] - 1) ** 0.5)
    own = tokens[:, 1:].reshape(len(tokens), side, side, 6)
    rows, columns = own @ torch.ones(6, side, device="meta"), own @ torch.ones(6, side, device="meta")
    scores[:, 1:, 1:] += (rows[..., None] + columns[..., None, :]).reshape(len(tokens), side**2, side**2)
    return scores.softmax(-1)


CASES = {
    "softmax": Attention(),
    "of queries": Attention(lambda scores, _: scores.softmax(-2)),
    "no softmax": Attention(lambda scores, _: scores),
    "scaled": Attention(lambda scores, _: (scores / 2).softmax(-1)),
    "masked": Attention(lambda scores, _: scores.masked_fill(torch.ones_like(scores).triu(1) > 0, 0.0)),
    "masked in place": Attention(lambda scores, _: scores.mul_(torch.ones_like(scores).tril())),
    "of heads": Attention(lambda scores, _: scores[:, None].expand(-1, 3, -1, -1).softmax(-1).mean(1)),
    "mixed heads": Attention(lambda scores, _: F.conv2d(scores[:, None], torch.ones(2, 1, 1, 1)).softmax(-1).sum(1)),
    "positions": Attention(by_position),
    "transposed twice": Attention(lambda scores, _: scores.mT.softmax(1).mT),
    "a part": Attention(lambda scores, _: F.pad(scores[:, 1:, 1:].softmax(-1), (1, 0, 1, 0))),
    "split": Attention(lambda scores, _: torch.cat(scores.softmax(-1).split([4, 13], 1), 1)),
    "one by one": Attention(lambda scores, _: torch.stack(scores.softmax(-1).unbind(1), 1)),
    "gathered": Attention(
        lambda scores, _: scores.gather(1, torch.arange(17).flip(0)[None, :, None].expand(2, 17, 17))
    ),
    "indexed": Attention(lambda scores, _: scores[:, list(range(17))[::-1]].softmax(-1)),
    "normed": Attention(lambda scores, _: F.layer_norm(scores, scores.shape[-1:])),
    "best": Attention(lambda scores, _: scores * (scores >= scores.amax(-1, keepdim=True))),
    "sorted": Attention(lambda scores, _: scores.sort(-1)[0]),
    "running sums": Attention(lambda scores, _: scores.cumsum(-1)),
    "flat": Attention(lambda scores, _: scores.flatten(1).view(scores.shape).squeeze().relu()),
}


@pytest.mark.parametrize("network", CASES.values(), ids=CASES)
def test_what_is_not_written_out_says_the_same(network, monkeypatch) -> None:
    fields = []
    for largest in (0, 2**30):
        monkeypatch.setattr(union, "LARGEST", largest)
        fields.append([theoretical_receptive_field(network, 8, unit=unit, channels=1) for unit in (None, (0, 3))])
    assert fields[0] == fields[1]


class Scores(Attention):
    """What is made of the scores themselves."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.scores(tokens @ tokens.transpose(1, 2), tokens)


PAIRS = {
    "scores": lambda scores, _: scores,
    "scores of heads": lambda scores, _: scores[:, None].expand(-1, 3, -1, -1).softmax(-1),
    "distances": lambda _, tokens: torch.cdist(tokens, tokens + 1),
    "some rows of scores": lambda scores, _: scores[:, :2],
}


@pytest.mark.parametrize("scores", PAIRS.values(), ids=PAIRS)
def test_an_output_of_pairs_is_one_unit_that_the_judges_confirm(scores) -> None:
    network = Scores(scores).double()
    field = theoretical_receptive_field(network, 8, channels=1)
    assert (field.grid, field.index, field.assumptions) == (None, (slice(None),), ())
    assert field.box == ((0, 8), (0, 8))
    assert check(network, 8, channels=1)


@pytest.mark.parametrize("rows", [8, 6])
def test_distances_of_rows_are_one_unit_of_all_rows(rows) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), Forward(lambda x: torch.cdist(x, x + 1))).double()
    field = theoretical_receptive_field(network, (rows, 8))
    assert (field.grid, field.box, field.size) == (None, ((0, rows), (0, 8)), (rows, float("inf")))
    assert check(network, (rows, 8))


CUTS = [(rows, columns) for rows in ((0, 4), (4, 8), (12, 16)) for columns in ((8, 16), (3, 9))]


@pytest.mark.parametrize("flipped", [(1,), (2,), (1, 2)])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("rows", "columns"), CUTS)
def test_flipped_and_cut_scores_say_the_same(rows, columns, flipped, first, monkeypatch) -> None:
    def cut(scores: Tensor, _: Tensor) -> Tensor:
        scores = scores.flip(flipped) if first else scores
        scores = scores[:, slice(*rows), slice(*columns)]
        return (scores if first else scores.flip(flipped)).amax(2, keepdim=True)

    fields = []
    for largest in (0, 2**30):
        monkeypatch.setattr(union, "LARGEST", largest)
        fields.append(theoretical_receptive_field(Scores(cut), 8, channels=1))
    assert fields[0] == fields[1]


def test_a_square_of_tokens_takes_little_memory() -> None:
    tracemalloc.start()
    theoretical_receptive_field(Attention(), 96, channels=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    square = 8 * 4 * (48**2) ** 2
    assert peak < square / 10


def test_parts_that_are_written_as_they_were_leave_the_storage_alone(monkeypatch) -> None:
    monkeypatch.setattr(storage.WrittenStorage, "write", lambda *_: pytest.fail("written"))
    assert theoretical_receptive_field(Attention(by_position), 8, channels=1).local.size == (2, 2)


@pytest.mark.parametrize("first", [0.0, 3.0])
def test_first_pixels_are_those_of_the_boxes_that_are_written_out(first) -> None:
    queries = torch.tensor([first, 2.0, 5.0])

    def one(values: Tensor, shape: tuple[int, ...]) -> union.Reach:
        boxes = torch.stack([values, -values, values + torch.inf, values + torch.inf]).reshape(4, *shape).numpy()
        digits = tuple((union.Digit(3, 0, 0, along=True),) for _ in range(2))
        return union.Reach(digits, boxes.astype(float))

    lazy = union.LazyUnion([one(queries, (3, 1)), one(torch.tensor([1.0, 4.0, 4.0]), (1, 3))])
    assert lazy.firsts().tolist() == union.Reach.firsts(lazy).tolist()


def test_a_part_that_is_lost_is_seen(monkeypatch) -> None:
    both = theoretical_receptive_field(CASES["no softmax"], 8, channels=1)
    monkeypatch.setattr(union, "LARGEST", 0)
    monkeypatch.setattr(union.LazyUnion, "each", lambda lazy, operation: operation(lazy.parts[0]))
    queries = theoretical_receptive_field(CASES["no softmax"], 8, channels=1)
    monkeypatch.setattr(union.LazyUnion, "each", lambda lazy, operation: operation(lazy.parts[1]))
    keys = theoretical_receptive_field(CASES["no softmax"], 8, channels=1)
    assert (queries != both) or (keys != both)
