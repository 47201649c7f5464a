"""The reference runs of erf_growth, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "How does the ERF grow with depth, against the theoretical field?"
RUNS = {
    "erf_growth": ReferenceRun(quick=("depths=[5,10,20,40]", "bootstrap=200")),
    # At the paper's 20 runs the interval of the exponent at large depths is wider than the band of its rule.
    "erf_growth_deep": ReferenceRun(
        ("depths=[40,50,60,70,80,90,100]", "runs=200"), quick=("depths=[40,50,60]", "runs=30", "bootstrap=200")
    ),
}
SMALLEST = ("depths=[2,3,4]", "runs=8", "channels=4", "bootstrap=20")
SERIES = (
    Series("map/KIND", "depth", "influence map, peak 1"),
    Series(
        "map/KIND/fit",
        "depth",
        "the map with the TRF's box (dashed) and the fitted Gaussian's contour at 4.55 % of its peak",
    ),
    Series("size/KIND", "depth", "ERF size, pixels"),
    Series("ratio/KIND", "depth", "ERF size / TRF size"),
    Series("sigma/KIND", "depth", "standard deviation in pixels of the Gaussian fit, mean of both axes"),
    Series("r_squared/KIND", "depth", "share of the map's variance that the Gaussian fit explains"),
    Series("skipped_runs/KIND", "depth", "runs that were 0 everywhere"),
    Series("metrics/size_KIND", "0", "ERF size at the largest depth, pixels"),
    Series("metrics/exponent_KIND", "0", "exponent of the ERF size against the TRF over all depths"),
)
