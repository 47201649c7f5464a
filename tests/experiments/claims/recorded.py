"""The rows of the claims by the recorded evidence, which is read once."""

from functools import cache

from experiments import claims

recorded_rows = cache(claims.rows)
recorded_own_rows = cache(claims.own_rows)
