"""The one training loop: precision, data-parallel, checkpoints, metrics."""
