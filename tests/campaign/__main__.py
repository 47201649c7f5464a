"""Run a campaign and print what did not end cleanly, and the counts."""

from __future__ import annotations

import argparse
import sys

import torch

from tests.campaign.campaign import campaign, summary
from tests.campaign.outcome import GOOD

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw, to share them out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    outcomes = []
    for one in campaign(options.seed, options.draws, options.first):
        outcomes.append(one)
        if one.kind not in GOOD:
            print(one, flush=True)
        if len(outcomes) % 25 == 0:
            print(f"{len(outcomes)} calls\n{summary(outcomes)}", flush=True)
    print(summary(outcomes))
    sys.exit(any(one.kind not in GOOD for one in outcomes))
