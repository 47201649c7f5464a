import pytest
import torch

from erf.stacks.grouped_convolution import as_groups, by_run, correlate, correlate_by_rows, joined

RUNS = 3


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (3, 1), (2, 5)])
def test_by_rows_is_the_same_correlation_of_each_run(kernel, outputs):
    random = torch.Generator().manual_seed(0)
    fields = torch.randn(RUNS, 4, 6, 7, generator=random, dtype=torch.float64)
    weights = torch.randn(RUNS, outputs, 4, *kernel, generator=random, dtype=torch.float64)
    by_rows = correlate_by_rows(joined(fields), weights)
    expected = by_run(correlate(joined(fields), as_groups(weights), full=True), RUNS)
    alone = [torch.nn.functional.pad(field, [kernel[1] - 1] * 2 + [kernel[0] - 1] * 2)[None] for field in fields]
    alone = torch.cat([torch.nn.functional.conv2d(one, kernels) for one, kernels in zip(alone, weights, strict=True)])
    for other in (expected, alone):
        torch.testing.assert_close(by_rows, other, rtol=0, atol=1e-12)
