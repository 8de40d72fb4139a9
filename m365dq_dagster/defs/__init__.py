"""Dagster's view of the product, one file a noun. What a stage does stands in `stages`, wiring in `definitions`."""
