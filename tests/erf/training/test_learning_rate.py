import pytest
import torch

from erf.training.learning_rate import Schedule

TORCHS = {
    Schedule.one_cycle: lambda optimizer, steps, peak: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, steps, cycle_momentum=False
    ),
    Schedule.cosine: lambda optimizer, steps, peak: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
}


@pytest.mark.parametrize("schedule", Schedule)
@pytest.mark.parametrize("steps", [4, 10, 57])
def test_it_is_torchs_schedule_of_this_name(schedule, steps):
    peak = 0.3
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], peak)
    scheduler = TORCHS[schedule](optimizer, steps, peak)
    for step in range(steps):
        of_torch = optimizer.param_groups[0]["lr"]
        assert schedule.learning_rate(step, steps, peak) == pytest.approx(of_torch, rel=1e-12), step
        if step < steps - 1:
            optimizer.step()
            scheduler.step()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_even_the_shortest_training_has_positive_finite_rates(steps):
    for schedule in Schedule:
        assert all(0 < schedule.learning_rate(step, steps, 1.0) <= 1 for step in range(steps))
