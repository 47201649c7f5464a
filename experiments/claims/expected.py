"""Claims of our own, about expected maps of whole architectures (X1, X2)."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.claims.row import Claims, Part, inside
from experiments.expected_maps import experiment as expected_maps
from experiments.expected_maps.experiment import Stage, Way

CLAIMS = Claims()

WITHIN = 0.02  # of sigma
STANDARD_ERRORS = 5


@CLAIMS.add(
    "X1",
    "the expected map of a drawn network has the σ of its maps over fresh weights, to 2 %",
    "Theory gives the ERF of whole architectures without sampling, to 2 % of σ",
    "σ of the mean expected map over that of the measured mean_square maps, less 1; each network's worst layer",
    ["expected_maps"],
)
def _x1_parts(result: expected_maps.Result) -> Iterator[Part]:
    """Yield a part for each network: the interval of each layer's error lies within 2 %. The worst one is named."""
    of_networks = {network: result.of_network(network) for network in result.config.networks}
    least_clear = max(of_networks, key=lambda network: _reach(_worst(of_networks[network])))
    for network, stages in of_networks.items():
        worst = _worst(stages)
        low, high = (100 * end for end in worst.error_interval)
        brief = f"{network} {100 * worst.error:+.1f} % ({low:+.1f} to {high:+.1f})"
        text = f"{network}, {worst.layer}: σ off by {brief.removeprefix(network + ' ')}; n = {worst.draws} draws"
        answer = f"the largest error of {len(of_networks)} networks: {brief}" if network == least_clear else ""
        holds = all(inside(stage.error_interval, -WITHIN, WITHIN) for stage in stages)
        yield Part(text, holds, tuple(stage.error_interval for stage in stages), brief, network == least_clear, answer)


def _reach(stage: Stage) -> float:
    """Return how far the interval of a stage's error reaches."""
    return max(map(abs, stage.error_interval))


def _worst(stages: list[Stage]) -> Stage:
    return max(stages, key=_reach)


@CLAIMS.add(
    "X2",
    "where no rule is an approximation, no pixel of the expected map is more than 5 standard errors off",
    "Where theory is exact, it holds pixel by pixel",
    "largest difference over pixels of mean_square maps from theory, in standard errors over draws",
    ["expected_maps"],
    "squares of gradients are skewed, so that with few draws more pixels lie far below theory than a normal "
    "distribution says. The CamVid front end's largest deviation was 5.4 standard errors at 96 draws, 4.9 at 192 "
    "and 3.8 at 384; that of preactivation_64 was 3.0 at another seed.",
)
def _x2_parts(result: expected_maps.Result) -> Iterator[Part]:
    """Yield a part for each network in each way, over its layers for which theory is exact."""
    exact = [
        [stage for stage in result.of_network(network, way) if not stage.findings]
        for network in result.config.networks
        for way in Way
    ]
    worst = [max(stages, key=lambda stage: stage.deviation) for stages in exact if stages]
    largest = max(worst, key=lambda stage: stage.deviation)
    for stage in worst:
        name = f"{stage.network}{', linear' if stage.way is Way.linear else ''}"
        brief = f"{name}: {stage.deviation:.1f}"
        text = f"{name}, {stage.layer}: {stage.deviation:.1f} standard errors at most, of {stage.pixels} pixels"
        text += f" (95 % of such comparisons: {stage.limit:.1f}; n = {stage.draws} draws)"
        answer = f"no pixel of {len(worst)} networks more than {stage.deviation:.1f} standard errors off"
        of_largest = stage is largest
        yield Part(text, stage.deviation <= STANDARD_ERRORS, (), brief, of_largest, answer if of_largest else "")
