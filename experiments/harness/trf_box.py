"""Where the theoretical receptive field lies in a map of a record, or why the record does not tell."""

from __future__ import annotations


def without_box(trf_size: int | None, side: int) -> str:
    """Return why a map of a whole image, of that side, has no box of a TRF of ``trf_size`` pixels (None: infinite)."""
    if trf_size is None:
        return "the TRF is infinite: there is no box"
    if trf_size >= side:
        return f"the TRF, {trf_size} pixels, is larger than the image: there is no box"
    return f"the record does not say where in the image the TRF of {trf_size} pixels begins"
