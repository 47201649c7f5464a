"""Networks that decide by values: below the asked layer, behind it, and by constants alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

from tests.erf.reachability.cases.case import Case, conv, of

NOISE = "the field is that of noise, as the network needs values"
READ = "reads values: all that follows is taken to depend on all pixels"


def detector(x: Tensor, backbone: nn.Module, head: nn.Module) -> Tensor:
    y = head(backbone(x))
    boxes, scores = y[:, :4].permute(0, 2, 3, 1).reshape(-1, 4), y[:, 4].reshape(-1)
    return boxes[nms(boxes, scores, 0.5)]


def without_anchors(x: Tensor, backbone: nn.Module, head: nn.Module) -> list[dict[str, Tensor]]:
    results = []
    for scores in head(backbone(x)).sigmoid().flatten(1):
        places = (scores > 0.05).nonzero().squeeze(1)
        best, order = scores[places].topk(min(4, places.numel()))
        results.append({"scores": best, "labels": places[order] % 3})
    return results


def two_stages(x: Tensor, backbone: nn.Module, proposals: nn.Module, head: nn.Module) -> Tensor:
    features = backbone(x)
    top = proposals(features).flatten(1).topk(2, 1).indices
    places = torch.stack([top % 9, top // 9], -1).to(x.dtype)
    boxes = [torch.cat([each - 1, each + 1], 1) for each in places]
    return head(roi_align(features, boxes, 2).flatten(1))


def peaks(x: Tensor, body: nn.Module, heat: nn.Module) -> Tensor:
    y = heat(body(x)).sigmoid()
    y = y * (F.max_pool2d(y, 3, 1, 1) == y)
    scores, places = y.flatten(1).topk(3)
    return torch.stack([scores, places.to(scores.dtype)], -1)


def best_tokens(x: Tensor, patches: nn.Module, score: nn.Module, attend: nn.Module) -> Tensor:
    tokens = patches(x).flatten(2).transpose(1, 2)
    places = score(tokens).squeeze(-1).topk(3, 1).indices
    chosen = tokens.gather(1, places[..., None].expand(-1, -1, 4))
    return attend(chosen, tokens, tokens)[0]


def early_exit(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    y = first(x)
    return y if y.mean() > 10 else second(y)


def active_pixels(x: Tensor, first: nn.Module, last: nn.Module) -> Tensor:
    y = first(x).permute(0, 2, 3, 1)
    out, active = torch.zeros_like(y), (y[..., 0] > 0).nonzero(as_tuple=True)
    out[active] = last(y[active])
    return (out + y).permute(0, 3, 1, 2)


def experts(x: Tensor, gate: nn.Module, *choices: nn.Module) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2).reshape(-1, 2)
    weight, chosen = gate(tokens).softmax(-1).topk(1, -1)
    out = torch.zeros_like(tokens)
    for k, expert in enumerate(choices):
        places, _ = torch.where(chosen == k)
        out[places] += weight[places] * expert(tokens[places])
    return out.view(len(x), -1, 2).transpose(1, 2).reshape(x.shape)


def scaled_if_large(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    return second(first(x / 255 if x.max() > 1e6 else x))


def checked(x: Tensor, first: nn.Module) -> Tensor:
    torch._assert_async((x.nan_to_num() < 1e9).all())
    return first(x)


class Constants(nn.Module):
    """What it does depends on its own parameters and buffers."""

    def __init__(self, forward) -> None:
        super().__init__()
        self.conv, self.forward_with = conv(), forward
        self.gamma = nn.Parameter(torch.zeros(1))
        self.ready, self.valid = nn.Buffer(torch.tensor(1)), nn.Buffer(torch.tensor([1.0, 0, 1, 1, 0, 1, 1, 1, 1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_with(self, x)


def by_constants(forward) -> Case:
    return Case(lambda: Constants(forward))


def head() -> nn.Module:
    return nn.Conv2d(2, 5, 1)


def half_of_ones(x: Tensor) -> Tensor:
    mask = torch.ones(9, device=x.device)
    mask[4:] = 0
    return mask


CASES: dict[str, Case] = {
    "below a suppression": of(detector, conv, head, layer="layers.0"),
    "scores below a suppression": of(detector, conv, head, layer="layers.1"),
    "behind a suppression": of(detector, conv, head, exact=False, assumed=(NOISE,)),
    "below the best of many": of(without_anchors, conv, head, layer="layers.1"),
    "below regions": of(two_stages, conv, lambda: nn.Conv2d(2, 1, 1), lambda: nn.Linear(8, 3), layer="layers.1"),
    "behind regions": of(two_stages, conv, lambda: nn.Conv2d(2, 1, 1), lambda: nn.Linear(8, 3), exact=False),
    "below peaks": of(peaks, conv, lambda: nn.Conv2d(2, 1, 1), layer="layers.1"),
    "peaks": of(peaks, conv, lambda: nn.Conv2d(2, 1, 1), exact=False),
    "best tokens": of(
        best_tokens, lambda: nn.Conv2d(2, 4, 3, 3), lambda: nn.Linear(4, 1),
        lambda: nn.MultiheadAttention(4, 1, batch_first=True), exact=False,
    ),
    "below an early exit": of(early_exit, conv, conv, layer="layers.0"),
    "behind an early exit": of(early_exit, conv, conv, exact=False, assumed=(READ, NOISE)),
    "active pixels": of(active_pixels, conv, lambda: nn.Linear(2, 2), exact=False, assumed=(NOISE,)),
    "experts": of(experts, *(lambda: nn.Linear(2, 2),) * 3, exact=False, assumed=(NOISE,)),
    "scaled if it is large": of(
        scaled_if_large, conv, lambda: nn.Conv2d(2, 2, 3, 2), exact=False, assumed=(READ, NOISE)
    ),
    "checked while it runs": of(checked, conv, exact=False),
    "a parameter decides": by_constants(lambda n, x: n.conv(x) + x.mean() if n.gamma.item() else n.conv(x)),
    "a buffer decides": by_constants(lambda n, x: n.conv(x) if n.ready else x),
    "a buffer's largest decides": by_constants(lambda n, x: n.conv(x * 2) if n.valid.max() > 0.5 else x),
    "columns where a buffer is not 0": by_constants(lambda n, x: n.conv(x)[..., n.valid.nonzero().squeeze(1)]),
    "columns that a buffer masks": by_constants(lambda n, x: n.conv(x)[..., n.valid > 0]),
    "columns that ones mask": of(lambda x, c: c(x)[..., torch.where(half_of_ones(x))[0]], conv),
    "parts of a buffer behind a decision": Case(
        lambda: Constants(lambda n, x: n.conv(x) * n.valid[0] + n.valid[2] if x.mean() < 10 else x),
        exact=False, assumed=(READ, NOISE),
    ),
    "rates of a list": of(lambda x, c: c(x) * (1 - torch.linspace(0, 0.1, 3, device=x.device).tolist()[1]), conv),
    "numpy of a buffer": by_constants(lambda n, x: n.conv(x) * float(n.valid.numpy().sum())),
    "as long as a buffer says": by_constants(lambda n, x: n.conv(x)[..., : int(n.valid.sum())]),
}  # fmt: skip
